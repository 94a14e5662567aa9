package rego

import (
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
)

// pure lists what policies may call: whole families by their prefix, single functions by name. What
// is not here does not exist for them.
var pure = []string{
	// comparison, arithmetic, sets, aggregates
	"eq", "assign", "equal", "neq", "lt", "lte", "gt", "gte", "plus", "minus", "mul", "div", "rem", "abs", "ceil",
	"floor", "round", "and", "or", "intersection", "union", "count", "sum", "product", "max", "min", "sort",
	"all", "any", "internal.member_2", "internal.member_3", "internal.template_string", "to_number", "type_name",
	"is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string",
	"bits.and", "bits.negate", "bits.or", "bits.rsh", "bits.xor", "units.",
	// text
	"concat", "contains", "endswith", "startswith", "format_int", "indexof", "indexof_n", "lower", "upper", "replace",
	"split", "sprintf", "substring", "trim", "trim_left", "trim_prefix", "trim_right", "trim_space", "trim_suffix",
	"strings.any_prefix_match", "strings.any_suffix_match", "strings.count", "strings.replace_n", "strings.reverse",
	"strings.split_n", "regex.match", "regex.is_valid", "regex.find_n", "regex.find_all_string_submatch_n", "regex.split",
	"regex.replace", "glob.", "semver.",
	// documents; not json.match_schema, whose $ref reads files, nor json.patch, whose copies can hold themselves, nor
	// what makes much of little, such as bits.lsh, graph.reachable_paths and strings.render_template, whose loops stand in each other
	"array.", "object.", "json.filter", "json.is_valid", "json.marshal", "json.remove", "json.unmarshal",
	"walk", "graph.reachable", "base64.", "base64url.", "hex.", "urlquery.",
	// time that is given, and addresses as text
	"time.add_date", "time.clock", "time.date", "time.diff", "time.format", "time.parse_duration_ns", "time.parse_ns",
	"time.parse_rfc3339_ns", "time.weekday", "net.cidr_contains", "net.cidr_intersects", "net.cidr_is_valid",
	"crypto.sha256", "crypto.hmac.sha256", "crypto.hmac.equal", "uuid.parse", "rego.metadata.",
}

// capabilities returns what OPA's compiler lets policies use.
var capabilities = sync.OnceValue(func() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool {
		return b.IsNondeterministic() || !slices.ContainsFunc(pure, func(p string) bool {
			return b.Name == p || strings.HasSuffix(p, ".") && strings.HasPrefix(b.Name, p)
		})
	})
	c.AllowNet = []string{}
	return c
})
