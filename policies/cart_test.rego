package openleash.policy_test.cart

decision := data.openleash.policy.pol_cart.decision

order(items, amount) := {
	"action_type": "purchase.order",
	"action_patterns": ["purchase.order", "purchase.order.*", "purchase.*", "*"],
	"payload": {"items": items, "amount_minor": amount},
}

test_adds_up if {
	not decision with input as order([{"quantity": 2, "price_minor": 450}, {"quantity": 1, "price_minor": 100}], 1000)
}

test_says_less_than_it_costs if {
	decision.effect == "deny" with input as order([{"quantity": 2, "price_minor": 450}], 100)
}

test_no_items if {
	decision.rule_id == "does_not_add_up" with input as {"action_patterns": ["purchase.*"], "payload": {"amount_minor": 100}}
}

test_price_as_text if {
	decision.effect == "deny" with input as order([{"quantity": 1, "price_minor": "100"}], 100)
}

test_negative_line if {
	decision.effect == "deny" with input as order([{"quantity": 2, "price_minor": 100}, {"quantity": -1, "price_minor": 100}], 100)
}


test_other_actions if {
	not decision with input as {"action_patterns": ["data.read", "*"], "payload": {}}
}
test_dear_item_asks if {
	decision.obligations == [{"type": "HUMAN_APPROVAL"}] with input as order([{"quantity": 1, "price_minor": 20001}], 20001)
}

test_two_cheap_ones_do_not if {
	not decision with input as order([{"quantity": 2, "price_minor": 20000}], 40000)
}
