# A guardrail on orders, in Rego because it adds up a list. An agent that says it pays 10.00 and orders for
# 1000.00 would pass every limit on the amount; here the lines of an order must come to what is paid, and a
# dear single item is shown to you.

# METADATA
# title: Cart
# description: The lines of an order must add up to what is paid
# custom:
#   guardrail: true
package openleash.policy.pol_cart

decision := {
	"effect": "deny",
	"rule_id": "does_not_add_up",
	"reason": "the lines of the order do not add up to its amount",
} if {
	ordering
	not adds_up
}

decision := {
	"effect": "allow",
	"rule_id": "dear_item",
	"reason": "a single item costs more than 200.00",
	"obligations": [{"type": "HUMAN_APPROVAL"}],
} if {
	ordering
	adds_up
	some item in input.payload.items
	item.price_minor > 20000
}

ordering if "purchase.*" in input.action_patterns

# Undefined, and so not true, where a line lacks its price or quantity or has one of another type.
adds_up if {
	every item in input.payload.items {
		whole(item.quantity)
		whole(item.price_minor)
	}
	prices := [price |
		some item in input.payload.items
		price := item.quantity * item.price_minor
	]
	sum(prices) == input.payload.amount_minor
}

whole(n) if {
	is_number(n)
	n >= 0
	floor(n) == n
}
