package store

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Renamed is the data of a BUDGET_RENAMED entry: two budgets are the same one, under an old and a new name. The
// keys have no subject; they differ in the ids of the policy and the budget only.
type Renamed struct {
	From BudgetKey `json:"from"`
	To   BudgetKey `json:"to"`
}

// names remembers which budgets are the same one. What is charged under any of the names counts under all of them,
// for good: naming a budget back, or using an old name again, forgives nothing. The keys have no subject, and the
// members of a class share its slice.
type names map[BudgetKey][]BudgetKey

// join makes two budgets the same one.
func (n names) join(r Renamed) error {
	from, to := r.From, r.To
	from.Subject, to.Subject = "", ""
	if from.OwnerID != to.OwnerID || from.Measure != to.Measure || from.Currency != to.Currency {
		return fmt.Errorf("a budget of %s was not renamed to one of %s: they do not count the same", from.PolicyID, to.PolicyID)
	}
	if from == to || slices.Contains(n[from], to) {
		return nil
	}
	class := slices.Concat(n.class(from), n.class(to))
	for _, key := range class {
		n[key] = class
	}
	return nil
}

// class returns all names of a budget, its own included.
func (n names) class(key BudgetKey) []BudgetKey {
	if class := n[key]; class != nil {
		return class
	}
	return []BudgetKey{key}
}

// others returns the accounts under the other names of a budget, for the same subject.
func (n names) others(key BudgetKey) []BudgetKey {
	if len(n) == 0 {
		return nil
	}
	subject := key.Subject
	key.Subject = ""
	var out []BudgetKey
	for _, other := range n[key] {
		if other != key {
			other.Subject = subject
			out = append(out, other)
		}
	}
	return out
}

// same reports whether two accounts are one budget's.
func (n names) same(a, b BudgetKey) bool { return a == b || slices.Contains(n.others(a), b) }

// foldRenamed takes note of a new name. Undoing it keeps it, which forgives nothing.
func (l *Ledger) foldRenamed(e *Entry) error {
	var r Renamed
	if err := json.Unmarshal(e.Data, &r); err != nil {
		return fmt.Errorf("entry %d: data of a renaming: %w", e.Seq, err)
	}
	if err := l.names.join(r); err != nil {
		return fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	return nil
}

// Names returns the classes of budgets that were renamed, in no order.
func (l *Ledger) Names() [][]BudgetKey {
	var out [][]BudgetKey
	for key, class := range l.names {
		if class[0] == key {
			out = append(out, class)
		}
	}
	return out
}

// LoadNames puts a class of names back.
func (l *Ledger) LoadNames(class []BudgetKey) error {
	for _, key := range class {
		if err := l.names.join(Renamed{class[0], key}); err != nil {
			return err
		}
	}
	return nil
}

// Unclaimed returns the accounts of one owner that have no name among the declared ones, in no order. The declared
// keys have no subject.
func (l *Ledger) Unclaimed(ownerID string, declared map[BudgetKey]bool) []BudgetKey {
	var out []BudgetKey
	for key := range l.accounts {
		whose := key
		whose.Subject = ""
		if key.OwnerID == ownerID && !slices.ContainsFunc(l.names.class(whose), func(k BudgetKey) bool { return declared[k] }) {
			out = append(out, key)
		}
	}
	return out
}

// KeysOf returns the accounts of one owner, under all their names, in no order.
func (l *Ledger) KeysOf(ownerID string) []BudgetKey {
	found := map[BudgetKey]struct{}{}
	for key := range l.accounts {
		if key.OwnerID != ownerID {
			continue
		}
		found[key] = struct{}{}
		for _, other := range l.names.others(key) {
			found[other] = struct{}{}
		}
	}
	return slices.Collect(maps.Keys(found))
}
