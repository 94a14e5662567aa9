package rego

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/openleash/openleash-go/compiler"
)

// Limits on what a policy written in Rego may say; compose.rego has them too.
const (
	maxRuleID      = 128  // characters
	maxReason      = 4096 // characters
	maxObligations = 16
	maxParams      = 1000 // values, of one obligation
)

// rawOutcome reads the decision of a policy written in Rego, as strictly as YAML is read: an unknown
// member, a wrong type or an unknown word is an error. It looks at no more than the limits allow.
func (p *Policy) rawOutcome(v ast.Value) (*outcome, error) {
	out := &outcome{policy: p, proof: compiler.ProofSpec{Required: true}}
	var effect string
	err := readObject(v, "decision", map[string]func(ast.Value) error{
		"effect":      func(v ast.Value) (err error) { effect, err = readText(v, "effect", maxRuleID); return },
		"rule_id":     func(v ast.Value) (err error) { out.ruleID, err = readText(v, "rule_id", maxRuleID); return },
		"reason":      func(v ast.Value) (err error) { out.reason, err = readText(v, "reason", maxReason); return },
		"obligations": func(v ast.Value) (err error) { out.obligations, err = readObligations(v); return },
		"proof":       func(v ast.Value) error { return readProof(v, &out.proof) },
	})
	if err == nil {
		err = out.check(effect)
	}
	if err != nil {
		return nil, fmt.Errorf("decision has the wrong shape: %w", err)
	}
	return out, nil
}

// check holds what a Rego policy says to what a YAML policy could say.
func (o *outcome) check(effect string) error {
	allows, obligation, ok := compiler.ParseEffect(effect)
	switch {
	case effect == "":
		return fmt.Errorf("effect is missing")
	case !ok:
		return fmt.Errorf("unknown effect %q", effect)
	case o.ruleID == "":
		return fmt.Errorf("rule_id is missing")
	case allows == compiler.Deny && len(o.obligations) > 0:
		return fmt.Errorf("deny carries no obligations")
	}
	o.effect = allows
	if obligation != "" {
		o.obligations = joinObligations([]compiler.Obligation{{Type: obligation}}, o.obligations)
	}
	if o.policy.Guardrail && o.effect == compiler.Allow && len(o.obligations) == 0 {
		return fmt.Errorf("a guardrail cannot allow")
	}
	return nil
}

// readObject hands each member to its reader.
func readObject(v ast.Value, noun string, members map[string]func(ast.Value) error) error {
	object, ok := v.(ast.Object)
	if !ok {
		return fmt.Errorf("%s must be an object, not %s", noun, ast.ValueName(v))
	}
	return object.Iter(func(k, v *ast.Term) error {
		name, ok := k.Value.(ast.String)
		read := members[string(name)]
		if !ok || read == nil {
			return fmt.Errorf("unknown member of %s", noun)
		}
		return read(v.Value)
	})
}

func readText(v ast.Value, noun string, limit int) (string, error) {
	s, ok := v.(ast.String)
	if !ok {
		return "", fmt.Errorf("%s must be text, not %s", noun, ast.ValueName(v))
	}
	if len(s) > limit && len([]rune(string(s))) > limit {
		return "", fmt.Errorf("%s is longer than %d characters", noun, limit)
	}
	return string(s), nil
}

func readObligations(v ast.Value) ([]compiler.Obligation, error) {
	list, ok := v.(*ast.Array)
	if !ok {
		return nil, fmt.Errorf("obligations must be an array, not %s", ast.ValueName(v))
	}
	if list.Len() > maxObligations {
		return nil, fmt.Errorf("there are more than %d obligations", maxObligations)
	}
	var out []compiler.Obligation
	err := list.Iter(func(t *ast.Term) error {
		var o compiler.Obligation
		err := readObject(t.Value, "an obligation", map[string]func(ast.Value) error{
			"type":   func(v ast.Value) (err error) { o.Type, err = readText(v, "type", maxRuleID); return },
			"params": func(v ast.Value) (err error) { o.Params, err = readParams(v); return },
		})
		if err == nil && !slices.Contains(obligationTypes, o.Type) {
			err = fmt.Errorf("unknown obligation %q", o.Type)
		}
		out = append(out, o)
		return err
	})
	return out, err
}

var obligationTypes = []string{compiler.HumanApproval, compiler.StepUpAuth, compiler.Deposit, compiler.CounterpartyAttestation}

func readParams(v ast.Value) (json.RawMessage, error) {
	if _, ok := v.(ast.Object); !ok {
		return nil, fmt.Errorf("params must be an object, not %s", ast.ValueName(v))
	}
	if size(v, maxParams) > maxParams {
		return nil, fmt.Errorf("params hold more than %d values", maxParams)
	}
	plain, err := ast.JSON(v)
	if err != nil {
		return nil, fmt.Errorf("params: %w", err)
	}
	return json.Marshal(plain)
}

func readProof(v ast.Value, p *compiler.ProofSpec) error {
	return readObject(v, "proof", map[string]func(ast.Value) error{
		"required": func(v ast.Value) error {
			b, ok := v.(ast.Boolean)
			if !ok {
				return fmt.Errorf("proof.required must be true or false, not %s", ast.ValueName(v))
			}
			p.Required = bool(b)
			return nil
		},
		"ttl_seconds": func(v ast.Value) error {
			n, ok := v.(ast.Number)
			ttl, whole := n.Int()
			if !ok || !whole || ttl < 1 || ttl > compiler.MaxProofTTL {
				return fmt.Errorf("proof.ttl_seconds must be a whole number from 1 to %d", compiler.MaxProofTTL)
			}
			p.TTLSeconds = ttl
			return nil
		},
		"redeem": func(v ast.Value) error {
			if v.Compare(ast.String(compiler.RedeemRequired)) != 0 {
				return fmt.Errorf("proof.redeem must be %q", compiler.RedeemRequired)
			}
			p.Redeem = true
			return nil
		},
	})
}

// size counts the values in a value, each time that they occur, and stops above limit. Text counts for
// one more every 64 bytes, and a number every 4 digits, for arithmetic takes longer.
func size(v ast.Value, limit int) int {
	n := 1
	add := func(t *ast.Term) {
		if n <= limit {
			n += size(t.Value, limit-n)
		}
	}
	switch v := v.(type) {
	case ast.String:
		n += len(v) / 64
	case ast.Number:
		n += len(v) / 4
	case *ast.Array:
		v.Until(func(t *ast.Term) bool { add(t); return n > limit })
	case ast.Set:
		v.Until(func(t *ast.Term) bool { add(t); return n > limit })
	case ast.Object:
		v.Until(func(k, t *ast.Term) bool { add(k); add(t); return n > limit })
	}
	return n
}
