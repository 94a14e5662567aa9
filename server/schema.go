package server

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/store"
)

// schema is a JSON Schema (2020-12), as OpenAPI 3.1 uses it.
type schema map[string]any

// schemas are the named schemas of a document. Answers and bodies are read from the Go types that the
// handlers have: in an answer all members are there but those that may be left out; in a body only
// those that its route requires.
type schemas struct {
	named map[string]schema
	uses  map[string]usedAs // what each name stands for
}

// usedAs is a type and where it stands: what must be there differs.
type usedAs struct {
	reflect.Type
	body bool
}

func newSchemas() *schemas {
	return &schemas{named: map[string]schema{}, uses: map[string]usedAs{}}
}

// enums are the values of string types that have only so many.
var enums = map[reflect.Type][]string{
	reflect.TypeFor[store.Result]():  {"ALLOW", "DENY", "REQUIRE_APPROVAL", "REQUIRE_STEP_UP", "REQUIRE_DEPOSIT"},
	reflect.TypeFor[store.Status]():  {"PENDING", "ACTIVE", "REVOKED", "APPROVED", "DENIED", "EXPIRED", "CONSUMED", "REDEEMED", "DEAD"},
	reflect.TypeFor[proof.Purpose](): {"proof", "approval", "user_session", "log"},
}

// plainTypes are those whose JSON is not what reflection would say.
var plainTypes = map[reflect.Type]schema{
	reflect.TypeFor[time.Time]():       {"type": "string", "format": "date-time"},
	reflect.TypeFor[json.RawMessage](): {},
	reflect.TypeFor[jsontext.Value]():  {},
	reflect.TypeFor[store.Window](): {"type": "object", "additionalProperties": false, "properties": map[string]schema{
		"calendar": {"type": "string"}, "zone": {"type": "string"}, "week_start": {"type": "integer"}, "sliding_seconds": {"type": "integer"}}},
}

// faithful are those that encode themselves, and yet as reflection says but for how times look.
var faithful = map[reflect.Type]bool{
	reflect.TypeFor[proof.Claims]():     true,
	reflect.TypeFor[proof.PublicKey]():  true,
	reflect.TypeFor[proof.PublicKeys](): true,
}

// of is the schema of a type in an answer.
func (s *schemas) of(t reflect.Type) (schema, error) { return s.schema(t, false) }

// ofBody is the schema of a body, in which the named members must be there.
func (s *schemas) ofBody(t reflect.Type, required []string) (schema, error) {
	ref, err := s.schema(t, true)
	if err != nil || len(required) == 0 {
		return ref, err
	}
	return schema{"allOf": []schema{ref, {"required": required}}}, nil
}

func (s *schemas) schema(t reflect.Type, body bool) (schema, error) {
	if t.Kind() == reflect.Pointer {
		return s.schema(t.Elem(), body)
	}
	if plain, ok := plainTypes[t]; ok {
		return plain, nil
	}
	if encodesItself := t.Kind() != reflect.Interface && t.Implements(reflect.TypeFor[json.Marshaler]()); encodesItself && !faithful[t] {
		return nil, fmt.Errorf("the type %s encodes itself, and nobody says how", t)
	}
	switch t.Kind() {
	case reflect.Interface:
		return schema{}, nil
	case reflect.String:
		if values, ok := enums[t]; ok && !body {
			return schema{"type": "string", "enum": values}, nil
		}
		return schema{"type": "string"}, nil
	case reflect.Bool:
		return schema{"type": "boolean"}, nil
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return schema{"type": "integer"}, nil
	case reflect.Slice:
		if t == reflect.TypeFor[proof.PublicKeys]() {
			return s.publicKeys()
		}
		items, err := s.schema(t.Elem(), body)
		return schema{"type": "array", "items": items}, err
	case reflect.Map:
		values, err := s.schema(t.Elem(), body)
		return schema{"type": "object", "additionalProperties": values}, err
	case reflect.Struct:
		return s.ref(t, body)
	default:
		return nil, fmt.Errorf("the type %s has no schema", t)
	}
}

// ref names a struct's schema, and makes it on first use.
func (s *schemas) ref(t reflect.Type, body bool) (schema, error) {
	use := usedAs{t, body}
	name := nameOf(t)
	ref := schema{"$ref": "#/components/schemas/" + name}
	switch known, ok := s.uses[name]; {
	case ok && known != use:
		return nil, fmt.Errorf("%s and %s (in a body: %t, %t) would share the name %s", known.Type, t, known.body, body, name)
	case ok:
		return ref, nil
	}
	s.uses[name] = use
	object := schema{"type": "object", "additionalProperties": false}
	s.named[name] = object // before its members, which may name it
	properties := map[string]schema{}
	required := []string{}
	for _, f := range fieldsOf(t) {
		p, err := s.schema(f.Type, body)
		if err != nil {
			return nil, err
		}
		// A proof always names its rule, be it null; see proof.Claims.
		if f.Type.Kind() == reflect.Pointer && (!f.optional || f.name == "matched_rule_id") {
			p = nullable(p)
		}
		properties[f.name] = p
		if !f.optional && !body {
			required = append(required, f.name)
		}
	}
	object["properties"] = properties
	if len(required) > 0 {
		object["required"] = required
	}
	return ref, nil
}

func nameOf(t reflect.Type) string { return strings.ToUpper(t.Name()[:1]) + t.Name()[1:] }

func nullable(p schema) schema {
	if len(p) == 0 { // allows all
		return p
	}
	return schema{"anyOf": []schema{p, {"type": "null"}}}
}

func (s *schemas) publicKeys() (schema, error) {
	key, err := s.ref(reflect.TypeFor[proof.PublicKey](), false)
	s.named["PublicKeys"] = schema{"type": "object", "additionalProperties": false, "required": []string{"keys"},
		"properties": map[string]schema{"keys": {"type": "array", "items": key}}}
	return schema{"$ref": "#/components/schemas/PublicKeys"}, err
}

// member is one member of a JSON object.
type member struct {
	reflect.StructField
	name     string
	optional bool
}

// fieldsOf lists the members of a struct as encoding writes them, those of embedded structs among them.
func fieldsOf(t reflect.Type) []member {
	var out []member
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		out = append(out, member{f, name, strings.Contains(options, "omit")})
	}
	// An outer member hides an embedded one of the same name.
	slices.SortStableFunc(out, func(a, b member) int { return len(a.Index) - len(b.Index) })
	seen := map[string]bool{}
	return slices.DeleteFunc(out, func(m member) bool {
		twice := seen[m.name]
		seen[m.name] = true
		return twice
	})
}
