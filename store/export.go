package store

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
)

// WriteJSONLines writes entries as JSON, one a line.
func WriteJSONLines(w io.Writer, entries iter.Seq2[Entry, error]) error {
	enc := json.NewEncoder(w)
	for e, err := range entries {
		if err != nil {
			return err
		}
		if err := enc.Encode(&e); err != nil {
			return fmt.Errorf("exporting entry %d: %w", e.Seq, err)
		}
	}
	return nil
}

// WriteCSV writes entries as a table (RFC 4180) with a heading, for people who work in a spreadsheet.
// Amounts are minor units.
func WriteCSV(w io.Writer, entries iter.Seq2[Entry, error]) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{"seq", "time", "event_type", "event_id", "owner_id", "agent_id", "agent_principal_id",
		"decision_id", "result", "action_id", "action_type", "matched_policy_id", "matched_rule_id", "reason",
		"charged", "currency", "hash"}); err != nil {
		return fmt.Errorf("exporting: %w", err)
	}
	for e, err := range entries {
		if err != nil {
			return err
		}
		if err := out.Write(csvRow(&e)); err != nil {
			return fmt.Errorf("exporting entry %d: %w", e.Seq, err)
		}
	}
	out.Flush()
	return out.Error()
}

func csvRow(e *Entry) []string {
	d := e.Decision
	if d == nil {
		d = &Decision{}
	}
	var charged, currency string
	for _, c := range e.Charges {
		if c.Budget.Key.Measure == MeasureAmount {
			charged, currency = strconv.FormatInt(c.Amount, 10), c.Budget.Key.Currency
			break // the same money, counted by several budgets
		}
	}
	row := []string{strconv.FormatUint(e.Seq, 10), e.Time.UTC().Format(TimeFormat), string(e.Type), e.ID, e.OwnerID, e.AgentID,
		e.AgentPrincipalID, d.ID, string(d.Result), d.ActionID, d.ActionType, d.PolicyID, d.RuleID, d.Reason}
	for i := range row {
		row[i] = harmless(row[i])
	}
	return append(row, charged, currency, e.Hash)
}

// harmless keeps a spreadsheet from taking text for a formula.
func harmless(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
