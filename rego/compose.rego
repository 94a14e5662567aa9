# The decision of all policies of an owner for one agent: data.openleash.decision.
#
# The input is that of the policies: the action request's fields, and beside them agent, owner, now,
# now_ns, action_patterns, assurance_level and budgets. data.openleash.meta lists the policies.
# Undefined: no policy applies to the agent.
package openleash

decision := {
	"result": "DENY",
	"policy_id": decider.policy_id,
	"rule_id": decider.rule_id,
	"obligations": [],
	"proof": {"required": false},
} if {
	decider.effect == "deny"
}

decision := {
	"result": result_of(obligations),
	"policy_id": decider.policy_id,
	"rule_id": decider.rule_id,
	"obligations": obligations,
	"proof": proof,
} if {
	decider.effect == "allow"
}

# Policies as they apply to this agent: those that name it, those that name one of its groups, those
# for all; within a tier by rank, then id.
tier(p) := 0 if input.agent.id in p.agents

tier(p) := 1 if {
	not input.agent.id in p.agents
	some group in p.groups
	group in input.agent.groups
}

tier(p) := 2 if count(p.agents) + count(p.groups) == 0

ordered := [p |
	some entry in sort([[tier(p), p.rank, p.id, p] | some p in data.openleash.meta; p.enabled])
	p := entry[3]
]

guardrails := [p | some p in ordered; p.guardrail]

layers := [p | some p in ordered; not p.guardrail]

# What a policy says, if it does not abstain. A decision of the wrong shape denies and names no rule.
says(p) := {
	"policy_id": p.id,
	"rule_id": d.rule_id,
	"effect": effect_of(d),
	"obligations": obligations_of(d),
	"proof": object.union({"required": true}, object.get(d, "proof", {})),
} if {
	d := data.openleash.policy[p.id].decision
	well_formed(p, d)
}

says(p) := {"policy_id": p.id, "rule_id": null, "effect": "deny", "obligations": [], "proof": {"required": false}} if {
	d := data.openleash.policy[p.id].decision
	not well_formed(p, d)
}

# An effect that requires something allows, with that obligation.
requires := {
	"require_approval": "HUMAN_APPROVAL",
	"require_step_up": "STEP_UP_AUTH",
	"require_deposit": "DEPOSIT",
}

effect_of(d) := "allow" if requires[lower(d.effect)]

effect_of(d) := lower(d.effect) if not requires[lower(d.effect)]

obligations_of(d) := array.concat(implied, [o | some o in object.get(d, "obligations", []); not o in implied]) if {
	implied := [{"type": type} | type := requires[lower(d.effect)]]
}

well_formed(p, d) if {
	is_object(d)
	object.keys(d) - {"effect", "rule_id", "reason", "obligations", "proof"} == set()
	is_string(d.effect)
	lower(d.effect) in {"allow", "deny", "require_approval", "require_step_up", "require_deposit"}
	d.rule_id != ""
	short(d.rule_id, 128)
	short(object.get(d, "reason", ""), 4096)
	good_proof(object.get(d, "proof", {}))
	given := object.get(d, "obligations", [])
	is_array(given)
	count(given) <= 16
	every o in given { good_obligation(o) }
	fits(p, lower(d.effect), obligations_of(d))
}

short(text, limit) if {
	is_string(text)
	count(text) <= limit
}

good_obligation(o) if {
	is_object(o)
	object.keys(o) - {"type", "params"} == set()
	o.type in {"HUMAN_APPROVAL", "STEP_UP_AUTH", "DEPOSIT", "COUNTERPARTY_ATTESTATION"}
	is_object(object.get(o, "params", {}))
}

good_proof(proof) if {
	is_object(proof)
	object.keys(proof) - {"required", "ttl_seconds", "redeem"} == set()
	object.get(proof, "redeem", "required") == "required"
	is_boolean(object.get(proof, "required", true))
	ttl := object.get(proof, "ttl_seconds", 1)
	is_number(ttl)
	ttl == floor(ttl)
	ttl >= 1
	ttl <= 3600
}

# A denial owes nothing, and a guardrail does not allow without something that is owed.
fits(p, "deny", owed) if owed == []

fits(p, effect, owed) if {
	effect != "deny"
	not p.guardrail
}

fits(p, effect, owed) if {
	effect != "deny"
	p.guardrail
	owed != []
}

# The place of the first policy that decides; undefined if none does.
deciding(policies) := min({i | some i, p in policies; says(p)})

# What the rules that only possibly match add, of the policies that abstain before one decides. The policy that
# decides has added its own.
carried(policies) := [object.union(o, {"policy_id": p.id, "effect": "allow"}) |
	some i, p in policies
	p.tightens
	not decided(policies, i)
	some o in data.openleash.policy[p.id].possibly
]

decided(policies, i) if i >= deciding(policies)

# An outcome, made stricter by what possibly matching rules add: what they owe is owed too, and the first of them
# that keeps the action from passing decides if the outcome would let it pass.
tighten(o, added) := o if {
	o.effect == "deny"
}

tighten(o, added) := o if {
	o.effect == "allow"
	added == []
}

tighten(o, added) := joined(decider, array.concat(added, [o])) if {
	o.effect == "allow"
	added != []
	blocking := [a | some a in added; result_of(a.obligations) != "ALLOW"]
	deciders := array.concat([o | result_of(o.obligations) != "ALLOW"], array.concat(blocking, [o]))
	decider := deciders[0]
}

# One outcome in the name of its decider, with what all of them owe.
joined(decider, outcomes) := {
	"policy_id": decider.policy_id,
	"rule_id": decider.rule_id,
	"effect": "allow",
	"obligations": distinct([owed | some o in outcomes; some owed in o.obligations]),
	"proof": join_proof(outcomes),
}

distinct(list) := [o | some n, o in list; not o in array.slice(list, 0, n)]

join_proof(outcomes) := object.union_n([{"required": true in {o.proof.required | some o in outcomes}}, ttl, redeem]) if {
	redeem := {"redeem": "required" | some o in outcomes; o.proof.redeem == "required"}
	ttl := shorter({t | some o in outcomes; t := o.proof.ttl_seconds; t > 0})
}

# The first of each kind that decides.
guardrail := tighten(says(guardrails[deciding(guardrails)]), carried(guardrails))

guardrail := joined(deciders[0], added) if {
	not decided(guardrails, count(guardrails))
	added := carried(guardrails)
	added != []
	deciders := array.concat([a | some a in added; result_of(a.obligations) != "ALLOW"], added)
}

layer := says(layers[deciding(layers)])

# What holds if no rule matches: the first default that is not passthrough.
fallback := {
	"policy_id": speaking[0].id,
	"rule_id": null,
	"effect": {"allow": "allow", "deny": "deny", "require_approval": "allow"}[speaking[0].default],
	"obligations": [{"type": "HUMAN_APPROVAL"} | speaking[0].default == "require_approval"],
	"proof": {"required": true},
}

fallback := {"policy_id": null, "rule_id": null, "effect": "deny", "obligations": [], "proof": {"required": false}} if {
	count(ordered) > 0
	count(speaking) == 0
}

speaking := [p | some p in layers; p.default != "passthrough"]

chosen := tighten(layer, carried(layers))

chosen := tighten(fallback, carried(layers)) if not layer

# Who decides: the stricter.
decider := guardrail if guardrail.effect == "deny"

decider := guardrail if {
	guardrail.effect == "allow"
	chosen.effect == "allow"
	result_of(guardrail.obligations) != "ALLOW"
	result_of(chosen.obligations) == "ALLOW"
}

decider := chosen if not overruled

overruled if guardrail.effect == "deny"

overruled if {
	chosen.effect == "allow"
	result_of(guardrail.obligations) != "ALLOW"
	result_of(chosen.obligations) == "ALLOW"
}

obligations := chosen.obligations if not guardrail

obligations := distinct(array.concat(guardrail.obligations, chosen.obligations))

proof := chosen.proof if not guardrail

proof := join_proof([guardrail, chosen])

shorter(ttls) := {"ttl_seconds": min(ttls)} if count(ttls) > 0

shorter(ttls) := {} if count(ttls) == 0

result_of(obligations) := "REQUIRE_APPROVAL" if {
	some o in obligations
	o.type == "HUMAN_APPROVAL"
} else := "REQUIRE_STEP_UP" if {
	some o in obligations
	o.type == "STEP_UP_AUTH"
} else := "REQUIRE_DEPOSIT" if {
	some o in obligations
	o.type == "DEPOSIT"
} else := "ALLOW"
