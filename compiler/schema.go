package compiler

import "encoding/json"

// SchemaID is where editors know the schema by.
const SchemaID = "https://raw.githubusercontent.com/openleash/openleash-go/main/docs/policy.schema.json"

// object is a JSON object in the making.
type object = map[string]any

// Schema is the JSON Schema (draft 2020-12) of a policy file, for editors. What it accepts may still be
// refused: that ids differ, and that dates and zones exist, only Parse can tell.
func Schema() []byte {
	schema := described("A policy of OpenLeash: what agents may do, must ask for, and may not.", closed(object{
		"version":     object{"const": 1, "default": 1},
		"id":          described("How the policy is called; the file's name by default.", pattern(idForm.String())),
		"name":        prose("For people."),
		"description": prose("For people."),
		"enabled":     described("false: checked, and not in force.", object{"type": "boolean", "default": true}),
		"owner":       described("Whose policy this is; needed where there are several owners.", pattern(ownerForm.String())),
		"applies_to": described("Agents by id, groups by name; all agents of the owner without it.", minOne(closed(object{
			"agents": listOf(pattern(agentForm.String()), MaxList), "groups": listOf(pattern(groupForm.String()), MaxList)}))),
		"guardrail":    described("true: can only tighten what other policies decide, and nothing overrides it.", object{"type": "boolean", "default": false}),
		"renamed_from": described("The id that the policy had before: what was spent under it still counts.", pattern(idForm.String())),
		"rank":         described("Order within a tier, lower first.", integer(0, 1_000_000)),
		"default":      described("What holds if no rule of any policy matches.", enum(defaults...)),
		"rules":        object{"type": "array", "maxItems": MaxRules, "items": object{"$ref": "#/$defs/rule"}},
		"budgets":      object{"type": "array", "minItems": 1, "maxItems": MaxBudgets, "items": object{"$ref": "#/$defs/budget"}},
	}, "rules"))
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["$id"] = SchemaID
	schema["title"] = "OpenLeash policy"
	schema["$defs"] = object{
		"rule": ruleSchema(), "when": whenSchema(), "condition": comparison("field", "operator"), "match": comparison("path", "op"),
		"constraints": constraintsSchema(), "budget": budgetSchema(),
		"actions": described("purchase is exactly that, purchase.* it and everything under it, * everything.",
			oneOrMore(pattern(actionPattern.String()), MaxActions)),
	}
	out, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		panic("encoding the schema: " + err.Error()) // it is plain data of ours
	}
	return append(out, '\n')
}

func ruleSchema() object {
	return closed(object{
		"id":           pattern(idForm.String()),
		"effect":       described("What the rule says; require_… allows with that obligation.", words(effects...)),
		"action":       object{"$ref": "#/$defs/actions"},
		"description":  prose("For people; stands as the reason in the answer."),
		"when":         object{"$ref": "#/$defs/when"},
		"conditions":   described("All must hold.", listOf(object{"$ref": "#/$defs/condition"}, MaxConditions)),
		"constraints":  object{"$ref": "#/$defs/constraints"},
		"requirements": closed(object{"min_assurance_level": enum(levels...)}),
		"obligations": object{"type": "array", "minItems": 1, "items": closed(object{
			"type": enum(obligationTypes...), "params": object{"type": "object"}}, "type")},
		"proof": closed(object{"required": object{"type": "boolean", "default": true}, "ttl_seconds": integer(1, MaxProofTTL),
			"redeem": described("required: the proof is valid only when it is redeemed online, once.", enum(RedeemRequired))}),
	}, "effect", "action")
}

func whenSchema() object {
	parts := listOf(object{"$ref": "#/$defs/when"}, MaxConditions)
	s := closed(object{"all": parts, "any": parts, "not": object{"$ref": "#/$defs/when"}, "match": object{"$ref": "#/$defs/match"}})
	s["minProperties"], s["maxProperties"] = 1, 1
	return s
}

// comparison is one of the two spellings of a comparison.
func comparison(path, op string) object {
	s := closed(object{
		path:    described("A field of the request, such as "+map[string]string{"field": "context.amount", "path": "$.payload.amount"}[path]+".", object{"type": "string"}),
		op:      enum(ops...),
		"value": object{},
	}, path, op)
	when := func(then object, operators ...string) object {
		return object{"if": object{"properties": object{op: enum(operators...)}}, "then": object{"properties": object{"value": then}, "required": []string{"value"}}}
	}
	scalar := object{"type": []string{"string", "number", "boolean", "null"}}
	s["allOf"] = []object{
		when(object{"type": "array", "minItems": 1, "items": scalar}, "in", "nin"),
		when(object{"type": "number"}, "lt", "lte", "gt", "gte"),
		when(object{"type": "string", "format": "regex"}, "regex"),
		when(scalar, "eq", "neq"),
		{"if": object{"properties": object{op: enum("exists")}}, "then": object{"properties": object{"value": object{"type": "boolean"}}}},
	}
	return s
}

func constraintsSchema() object {
	domains := oneOrMore(object{"type": "string"}, MaxList)
	return closed(object{
		"amount_max":      described("On payload.amount_minor, in minor units.", integer(0, maxSafeInteger)),
		"amount_min":      described("On payload.amount_minor, in minor units.", integer(0, maxSafeInteger)),
		"currency":        oneOrMore(pattern(currencyForm.String()), MaxList),
		"merchant_domain": described("payload.merchant_domain and relying_party.domain must be in the list.", domains),
		"allowed_domains": described("payload.domain and relying_party.domain must be in the list.", domains),
		"blocked_domains": described("payload.domain and relying_party.domain must not be in the list.", domains),
		"schedule": minOne(closed(object{
			"days":     listOf(words(dayNames...), MaxList),
			"hours":    described("Such as 09:00-17:00; may run over midnight.", pattern(hoursForm.String())),
			"timezone": described("IANA name, such as Europe/Amsterdam.", object{"type": "string", "default": "UTC"}),
		})),
	})
}

func budgetSchema() object {
	return closed(object{
		"id":           pattern(idForm.String()),
		"limit":        described("Minor units of the currency, or a number of actions.", integer(0, maxSafeInteger)),
		"currency":     pattern(currencyForm.String()),
		"measure":      enum(measures...),
		"amount":       object{"type": "string", "default": amountPath.String()},
		"window":       object{"anyOf": []object{enum(calendars...), pattern(slidingForm.String())}},
		"timezone":     object{"type": "string", "default": "UTC"},
		"week_starts":  words(weekdays...),
		"per":          enum(holders...),
		"actions":      object{"$ref": "#/$defs/actions"},
		"on_exceed":    enum(excesses...),
		"alert_at":     described("Percent of the limit.", oneOrMore(integer(1, 100), MaxList)),
		"renamed_from": described("The id that the budget had before: what was spent under it still counts.", pattern(idForm.String())),
		"settle_by":    described("Who may lower a charge; by default the owner, a gateway and the counterparty.", oneOrMore(enum(settlers...), len(settlers))),
	}, "id", "limit", "window")
}

// The building blocks.

// closed is an object with these members and no others.
func closed(properties object, required ...string) object {
	s := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

func minOne(s object) object {
	s["minProperties"] = 1
	return s
}

func described(text string, s object) object {
	s["description"] = text
	return s
}

func pattern(p string) object { return object{"type": "string", "pattern": p} }

func prose(text string) object {
	return object{"type": "string", "maxLength": maxText, "description": text}
}

func integer(low, high int64) object {
	return object{"type": "integer", "minimum": low, "maximum": high}
}

func enum(words ...string) object { return object{"enum": words} }

// words are known words in any case; editors offer them as they are listed.
func words(known ...string) object {
	any := "^(?:"
	for i, w := range known {
		if i > 0 {
			any += "|"
		}
		for _, c := range w {
			if c == '_' {
				any += "_"
			} else {
				any += "[" + string(c) + string(c-'a'+'A') + "]"
			}
		}
	}
	return object{"anyOf": []object{enum(known...), pattern(any + ")$")}}
}

func listOf(item object, most int) object {
	return object{"type": "array", "minItems": 1, "maxItems": most, "items": item}
}

func oneOrMore(item object, most int) object {
	return object{"anyOf": []object{item, listOf(item, most)}}
}
