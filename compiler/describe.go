package compiler

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openleash/openleash-go/internal/money"
)

// Describe says in plain words what a policy does, one sentence for each rule and budget, such as
// "Allows purchases under 100." It is made from the checked policy, so it says what is in force.
func Describe(p *Policy) []string {
	var out []string
	for _, rule := range p.Rules {
		out = append(out, DescribeRule(rule))
	}
	for _, b := range p.Budgets {
		out = append(out, describeBudget(b))
	}
	for _, rule := range p.Rules {
		if what := Uncountable(rule, p.Budgets); what != "" {
			out = append(out, "Denies "+what+" for "+actionsInWords(rule.Actions)+": no budget of this policy counts them.")
		}
	}
	switch {
	case p.Guardrail:
		out = append(out, "Stands above all other policies: it can only make them stricter.")
	case p.Default == DefaultAllow:
		out = append(out, "Allows everything else.")
	case p.Default == DefaultRequireApproval:
		out = append(out, "Asks you about everything else.")
	case p.Default == DefaultPassthrough:
		out = append(out, "Leaves everything else to other policies.")
	default:
		out = append(out, "Denies everything else.")
	}
	if !p.Enabled {
		out = append(out, "Is switched off.")
	}
	return out
}

// DescribeRule says in plain words what one rule does.
func DescribeRule(rule Rule) string {
	var b strings.Builder
	b.WriteString(verb(rule))
	b.WriteByte(' ')
	b.WriteString(actionsInWords(rule.Actions))
	parts := clausesOf(rule).inWords()
	if s := joinRange(parts); s != "" {
		b.WriteByte(' ')
		b.WriteString(s)
	}
	if extra := asks(rule); extra != "" {
		b.WriteString(", " + extra)
	}
	if rule.Effect == Deny && len(parts) > 0 || rule.Tightens() {
		b.WriteString(", or where that is not known")
	}
	b.WriteByte('.')
	return b.String()
}

func verb(rule Rule) string {
	switch {
	case rule.Effect == Deny:
		return "Denies"
	case owes(rule, HumanApproval):
		return "Asks you about"
	case owes(rule, StepUpAuth):
		return "Asks for your authenticator code for"
	case owes(rule, Deposit):
		return "Asks for a deposit for"
	}
	return "Allows"
}

func owes(rule Rule, typ string) bool {
	return slices.ContainsFunc(rule.Obligations, func(o Obligation) bool { return o.Type == typ })
}

// asks names what else a rule asks for, beyond its verb.
func asks(rule Rule) string {
	var out []string
	if owes(rule, HumanApproval) && owes(rule, StepUpAuth) {
		out = append(out, "with your authenticator code")
	}
	if owes(rule, Deposit) && (owes(rule, HumanApproval) || owes(rule, StepUpAuth)) {
		out = append(out, "with a deposit")
	}
	if rule.MinAssurance != "" {
		out = append(out, "with assurance "+strings.ToLower(rule.MinAssurance)+" or higher")
	}
	if owes(rule, CounterpartyAttestation) {
		out = append(out, "with an attestation of the other side")
	}
	if rule.Effect == Allow && rule.Proof.Redeem {
		out = append(out, "with a proof that the other side must redeem online")
	}
	if rule.Effect == Allow && !rule.Proof.Required {
		out = append(out, "without a proof")
	}
	return strings.Join(out, " and ")
}

func actionsInWords(patterns []string) string {
	words := make([]string, len(patterns))
	for i, p := range patterns {
		name, all := strings.CutSuffix(p, ".*")
		switch {
		case p == "*":
			words[i] = "everything"
		case all && !strings.Contains(name, "."):
			words[i] = plural(name)
		case all:
			words[i] = "all of " + name
		default:
			words[i] = p
		}
	}
	return list(words, "and")
}

// plural of an English word, good enough for the names of actions.
func plural(s string) string {
	s = strings.ReplaceAll(s, "_", " ")
	switch {
	case s == "pay":
		return "payments"
	case s == "buy":
		return "purchases"
	case strings.HasSuffix(s, "s"), strings.HasSuffix(s, "ing"), strings.HasSuffix(s, "communication"), strings.HasSuffix(s, "data"):
		return s
	case strings.HasSuffix(s, "y") && len(s) > 1 && !strings.ContainsRune("aeiou", rune(s[len(s)-2])):
		return s[:len(s)-1] + "ies"
	case strings.HasSuffix(s, "ch"), strings.HasSuffix(s, "sh"), strings.HasSuffix(s, "x"), strings.HasSuffix(s, "z"):
		return s + "es"
	}
	return s + "s"
}

// list joins words as people do: a, b and c.
func list(words []string, and string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + and + " " + words[len(words)-1]
}

// clauses are what must all be true for a rule to match, and the currencies that they leave possible: an
// amount in minor units can only be written in a known currency.
type clauses struct {
	all        []Expr
	currencies []string // none: any
}

func clausesOf(rule Rule) clauses {
	var c clauses
	for _, e := range []Expr{rule.When, rule.Constraints} {
		if e != nil {
			c.add(e)
		}
	}
	return c
}

func (c *clauses) add(e Expr) {
	if all, ok := e.(All); ok {
		for _, x := range all.Exprs {
			c.add(x)
		}
		return
	}
	if codes := currenciesOf(e); codes != nil && c.currencies == nil {
		c.currencies = codes
	}
	c.all = append(c.all, e)
}

// currenciesOf are the currencies that an expression requires one of, or none if it is about another thing.
func currenciesOf(e Expr) []string {
	m, ok := e.(Match)
	if !ok || m.Path.String() != currencyPath.String() || m.Op != Eq && m.Op != In {
		return nil
	}
	var out []string
	for _, v := range m.Values {
		if code, ok := v.Value.(string); ok {
			out = append(out, code)
		}
	}
	return out
}

// inWords says each condition. One currency is said with the amount, not again on its own.
func (c clauses) inWords() []string {
	saysAmount := slices.ContainsFunc(c.all, isAmount)
	var out []string
	for _, e := range c.all {
		if len(c.currencies) == 1 && saysAmount && slices.Equal(currenciesOf(e), c.currencies) {
			continue
		}
		out = append(out, c.expr(e, false))
	}
	return out
}

func isAmount(e Expr) bool {
	m, compares := e.(Match)
	_, bounds := e.(AmountBound)
	return bounds || compares && isMinorBound(m)
}

// isMinorBound says whether a comparison bounds the amount in minor units.
func isMinorBound(m Match) bool {
	return m.Path.String() == amountPath.String() && slices.Contains([]Op{Lt, Lte, Gt, Gte}, m.Op)
}

// amount writes an amount in minor units in the currency that the conditions require.
func (c clauses) amount(n json.Number) string {
	minor, err := n.Int64()
	if err != nil {
		return n.String() + " minor units"
	}
	if len(c.currencies) == 1 {
		return money.Format(minor, c.currencies[0])
	}
	exponent, same := commonExponent(c.currencies)
	if !same {
		return money.Format(minor, "")
	}
	return money.Decimal(minor, exponent)
}

// commonExponent is that of all the currencies, if they have the same.
func commonExponent(codes []string) (exponent int, same bool) {
	for i, code := range codes {
		e, known := money.Exponent(code)
		if !known || i > 0 && e != exponent {
			return 0, false
		}
		exponent = e
	}
	return exponent, len(codes) > 0
}

// joinRange joins parts; "from 100" and "to 500" make one range.
func joinRange(parts []string) string {
	var out []string
	for _, p := range parts {
		if n := len(out); n > 0 && strings.HasPrefix(out[n-1], "from ") && (strings.HasPrefix(p, "up to ") || strings.HasPrefix(p, "under ")) {
			p = strings.Replace(p, "up to ", "to ", 1)
			// The currency is said once: "from 10.00 to 50.00 USD".
			unit := p[strings.LastIndexByte(p, ' '):]
			out[n-1] = strings.TrimSuffix(out[n-1], unit) + " " + p
			continue
		}
		out = append(out, p)
	}
	return strings.Join(out, ", ")
}

// expr says a condition, or its negation.
func (c clauses) expr(e Expr, negated bool) string {
	switch e := e.(type) {
	case All:
		return c.group(e.Exprs, negated, "and", "or")
	case Any:
		return c.group(e.Exprs, negated, "or", "and")
	case Not:
		return c.expr(e.Expr, !negated)
	case AmountBound:
		return bound(e.Op, negated, c.amount(e.Limit))
	case Domains:
		return domainsInWords(e, negated)
	case Schedule:
		if negated {
			return "not " + scheduleInWords(e)
		}
		return scheduleInWords(e)
	case Match:
		return c.match(e, negated)
	}
	return ""
}

func (c clauses) group(exprs []Expr, negated bool, word, opposite string) string {
	if negated {
		word = opposite
	}
	words := make([]string, len(exprs))
	for i, x := range exprs {
		words[i] = c.expr(x, negated)
	}
	return "(" + strings.Join(words, " "+word+" ") + ")"
}

func (c clauses) match(m Match, negated bool) string {
	if o, ok := opposite[m.Op]; ok && negated {
		m.Op, negated = o, false
	}
	name := fieldName(m.Path)
	values := make([]string, len(m.Values))
	for i, v := range m.Values {
		values[i] = literalInWords(v)
	}
	switch m.Op {
	case Lt, Lte, Gt, Gte:
		if n, ok := m.Values[0].Value.(json.Number); ok && isMinorBound(m) {
			return bound(m.Op, false, c.amount(n))
		}
		if name == "amount" {
			return bound(m.Op, false, grouped(values[0]))
		}
		return "where " + name + " is " + map[Op]string{Lt: "under", Lte: "at most", Gt: "above", Gte: "at least"}[m.Op] + " " + values[0]
	case Eq, In:
		if name == "currency" {
			return "in " + list(values, "or")
		}
		return "where " + name + " is " + list(values, "or")
	case Neq, Nin:
		return "where " + name + " is given and is not " + list(values, "or")
	case Regex:
		if negated {
			return "where " + name + " does not look like " + values[0]
		}
		return "where " + name + " looks like " + values[0]
	}
	if m.Negated != negated {
		return "where " + name + " is not given"
	}
	return "where " + name + " is given"
}

// grouped groups the thousands of a plain whole number.
func grouped(number string) string {
	if n, err := strconv.ParseInt(number, 10, 64); err == nil {
		return money.Group(n)
	}
	return number
}

// bound is a limit on an amount.
func bound(op Op, negated bool, limit string) string {
	if negated {
		op = opposite[op]
	}
	return map[Op]string{Lt: "under ", Lte: "up to ", Gt: "above ", Gte: "from "}[op] + limit
}

// fieldName is how people call a field.
func fieldName(p Path) string {
	if p[0] == "payload" && len(p) > 1 {
		p = p[1:]
	}
	name := strings.TrimPrefix(p.String(), "$.")
	return strings.ReplaceAll(name, "_", " ")
}

var plainWord = regexp.MustCompile(`^[\pL\pN._@:/+*-]{1,60}$`)

func literalInWords(l Literal) string {
	switch v := l.Value.(type) {
	case nil:
		return "null"
	case string:
		if plainWord.MatchString(v) {
			return v
		}
		return strconv.Quote(v) // what a policy's author wrote must not read as our words
	default:
		return fmt.Sprint(v)
	}
}

func domainsInWords(d Domains, negated bool) string {
	names := make([]string, 0, len(d.Exact)+len(d.Suffixes))
	for _, s := range d.Exact {
		names = append(names, asWritten(s))
	}
	for _, s := range d.Suffixes {
		names = append(names, "*"+asWritten(s))
	}
	if d.Blocked != negated {
		return "at any site but " + list(names, "and")
	}
	return "at " + list(names, "or")
}

func scheduleInWords(s Schedule) string {
	var parts []string
	if len(s.Days) > 0 {
		parts = append(parts, "on "+daysInWords(s.Days))
	}
	if s.Start != s.End {
		parts = append(parts, fmt.Sprintf("from %02d:%02d to %02d:%02d", s.Start/60, s.Start%60, s.End/60, s.End%60))
	}
	return strings.Join(parts, " ") + " (" + s.Zone + ")"
}

func daysInWords(days []time.Weekday) string {
	if slices.Equal(days, []time.Weekday{1, 2, 3, 4, 5}) {
		return "weekdays"
	}
	if slices.Equal(days, []time.Weekday{0, 6}) {
		return "weekends"
	}
	names := make([]string, len(days))
	for i, d := range days {
		names[i] = d.String()
	}
	return list(names, "and")
}

func describeBudget(b Budget) string {
	window := map[string]string{"day": "a day", "week": "a week", "month": "a month", "year": "a year", "lifetime": "in all"}[b.Calendar]
	if b.Sliding != 0 {
		window = "in any " + b.windowText()
	}
	per := map[string]string{"agent": "for each agent", "owner": "for all agents together", "group": "for each group, and an agent in no group is denied"}[b.Per]
	over := "denies what goes beyond"
	if b.OnExceed == "require_approval" {
		over = "asks you about what goes beyond"
	}
	on := ""
	if !slices.Contains(b.Actions, "*") {
		on = " on " + actionsInWords(b.Actions)
	}
	settles := ""
	if b.MayLower(SettlerAgent) {
		settles = "; the agent itself may lower what was counted"
	}
	carries := ""
	if b.RenamedFrom != "" {
		carries = "; what was spent under the name " + b.RenamedFrom + " counts too"
	}
	return fmt.Sprintf("At most %s %s%s, %s; %s%s%s.", b.Measured(b.Limit), window, on, per, over, settles, carries)
}
