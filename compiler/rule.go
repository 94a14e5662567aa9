package compiler

import (
	"encoding/json"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// requires are the effects that allow with an obligation.
var requires = map[string]string{
	"require_approval": HumanApproval,
	"require_step_up":  StepUpAuth,
	"require_deposit":  Deposit,
}

// obligationTypes are what an obligation may be.
var obligationTypes = []string{HumanApproval, StepUpAuth, Deposit, CounterpartyAttestation}

// effects are the words for what a rule says.
var effects = []string{"allow", "deny", "require_approval", "require_step_up", "require_deposit"}

// ParseEffect reads the word for an effect, in any case, and the obligation that it stands for.
func ParseEffect(word string) (e Effect, obligation string, ok bool) {
	word = strings.ToLower(word)
	if word != "deny" {
		e = Allow
	}
	return e, requires[word], slices.Contains(effects, word)
}

func (r *reader) rule(n *yaml.Node, defaultID string) Rule {
	r.asked = 0
	rule := Rule{ID: defaultID, Proof: ProofSpec{Required: true}, Pos: r.at(n)}
	var when, constraints []Expr
	var obligations *yaml.Node
	denies := false
	seen, ok := r.mapping(n, "a rule",
		field{"id", func(n *yaml.Node) { rule.ID = r.form(n, "id", idForm, "1 to 64 letters, digits, _ and -") }},
		field{"effect", func(n *yaml.Node) {
			word, ok := r.word(n, "effect", "unknown_effect", true, effects...)
			if !ok {
				return
			}
			denies = word == Deny.String()
			var obligation string
			if rule.Effect, obligation, _ = ParseEffect(word); obligation != "" {
				rule.Obligations = append([]Obligation{{Type: obligation}}, rule.Obligations...)
			}
		}},
		field{"action", func(n *yaml.Node) {
			rule.Actions = r.actions(n, "action")
			r.count(n, patternParts*len(rule.Actions))
		}},
		field{"description", func(n *yaml.Node) { rule.Description = r.prose(n, "description") }},
		field{"when", func(n *yaml.Node) { when = append(when, r.when(n)) }},
		field{"conditions", func(n *yaml.Node) { when = append(when, r.conditions(n)...) }},
		field{"constraints", func(n *yaml.Node) { constraints = r.constraints(n) }},
		field{"requirements", func(n *yaml.Node) { r.requirements(n, &rule) }},
		field{"obligations", func(n *yaml.Node) { obligations = n; r.obligations(n, &rule) }},
		field{"proof", func(n *yaml.Node) { r.proof(n, &rule.Proof) }},
	)
	if !ok {
		return rule
	}
	for _, key := range []string{"effect", "action"} {
		if seen[key] == nil {
			r.errorf(n, "missing_key", "a rule needs %s", key)
		}
	}
	if denies {
		if obligations != nil {
			r.errorf(seen["obligations"], "deny_obligation", "a rule that denies has no obligations")
		}
		if rule.MinAssurance != "" {
			r.errorf(seen["requirements"], "deny_requirement", "a rule that denies has no requirements")
		}
	}
	rule.When, rule.Constraints = conjunction(when), conjunction(constraints)
	rule.Fields = append(fields(rule.When), fields(rule.Constraints)...)
	return rule
}

// conjunction is what holds if all the parts do; nil always holds.
func conjunction(parts []Expr) Expr {
	parts = slices.DeleteFunc(parts, func(e Expr) bool { return e == nil })
	switch len(parts) {
	case 0:
		return nil
	case 1:
		return parts[0]
	}
	return All{parts, parts[0].pos()}
}

// actions reads a pattern or a list of them.
func (r *reader) actions(n *yaml.Node, noun string) []string {
	if len(n.Content) > MaxActions {
		r.errorf(n, "list_too_long", "%s has at most %d patterns", noun, MaxActions)
		return nil
	}
	var out []string
	r.list(n, noun, true, func(n *yaml.Node) {
		s, ok := r.text(n, noun)
		if !ok {
			return
		}
		if len(s) > maxAction || !actionPattern.MatchString(s) {
			r.errorf(n, "invalid_action", "%q is no action pattern; write purchase, purchase.* or *", clipped(s))
			return
		}
		s = FoldAction(s)
		if slices.Contains(out, s) {
			r.errorf(n, "duplicate_name", "%q is named twice", s)
			return
		}
		out = append(out, s)
	})
	return out
}

func clipped(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}

func (r *reader) requirements(n *yaml.Node, rule *Rule) {
	r.mapping(n, "requirements", field{"min_assurance_level", func(n *yaml.Node) {
		rule.MinAssurance, _ = r.word(n, "min_assurance_level", "unknown_assurance_level", false, levels...)
	}})
}

func (r *reader) obligations(n *yaml.Node, rule *Rule) {
	r.list(n, "obligations", false, func(n *yaml.Node) {
		var o Obligation
		seen, ok := r.mapping(n, "an obligation",
			field{"type", func(n *yaml.Node) {
				o.Type, _ = r.word(n, "obligation", "unknown_obligation", false, obligationTypes...)
			}},
			field{"params", func(n *yaml.Node) { o.Params = r.params(n) }})
		if !ok {
			return
		}
		if seen["type"] == nil {
			r.errorf(n, "missing_key", "an obligation needs a type")
		}
		if slices.ContainsFunc(rule.Obligations, func(other Obligation) bool { return other.Type == o.Type && len(other.Params) > 0 }) {
			r.errorf(n, "duplicate_obligation", "the obligation %s stands twice", o.Type)
			return
		}
		// An effect may have put it there already, without params.
		rule.Obligations = slices.DeleteFunc(rule.Obligations, func(other Obligation) bool { return other.Type == o.Type })
		rule.Obligations = append(rule.Obligations, o)
	})
}

// params reads a mapping of any JSON values.
func (r *reader) params(n *yaml.Node) json.RawMessage {
	if n.Kind != yaml.MappingNode {
		r.errorf(n, "wrong_type", "params must be a mapping, with keys and values")
		return nil
	}
	v, ok := r.json(n)
	if !ok {
		return nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		r.errorf(n, "invalid_params", "%v", err)
	}
	return raw
}

func (r *reader) json(n *yaml.Node) (any, bool) {
	r.count(n, valueParts)
	switch n.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		fine := true
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, ok := r.text(n.Content[i], "a key")
			if _, dup := out[key]; dup {
				r.errorf(n.Content[i], "duplicate_key", "the key %q stands twice", key)
			}
			v, ok2 := r.json(n.Content[i+1])
			out[key] = v
			fine = fine && ok && ok2
		}
		return out, fine
	case yaml.SequenceNode:
		out := make([]any, 0, len(n.Content))
		fine := true
		for _, c := range n.Content {
			v, ok := r.json(c)
			out = append(out, v)
			fine = fine && ok
		}
		return out, fine
	default:
		l, ok := r.literal(n)
		return l.Value, ok
	}
}

func (r *reader) proof(n *yaml.Node, p *ProofSpec) {
	r.mapping(n, "proof",
		field{"required", func(n *yaml.Node) { p.Required, _ = r.boolean(n, "proof.required") }},
		field{"ttl_seconds", func(n *yaml.Node) {
			ttl, _ := r.integer(n, "proof.ttl_seconds", 1, MaxProofTTL)
			p.TTLSeconds = int(ttl)
		}},
		field{"redeem", func(n *yaml.Node) {
			_, p.Redeem = r.word(n, "proof.redeem", "unknown_redeem", false, RedeemRequired)
		}})
	if p.Redeem && !p.Required {
		r.errorf(n, "proof_to_redeem", "a proof that must be redeemed is required; leave out required: false")
	}
}

// RedeemRequired is the word of proof.redeem.
const RedeemRequired = "required"
