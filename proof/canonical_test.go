package proof_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/openleash/openleash-go/proof"
)

func TestCanonical(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"scalars", ` [ true , false , null ] `, `[true,false,null]`},
		{"empty", `{ } `, `{}`},
		{"nested", `{"b":[{"d":1,"c":2}],"a":{}}`, `{"a":{},"b":[{"c":2,"d":1}]}`},
		{"escapes", `"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/"`, "\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\""},
		{"RFC 8785 numbers", `[333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001]`, ""},
		{"numbers", `[4.50,2e-3,0.000000000000000000000000001,-0,-0.0,0e9,1e2,100e-2,1e15,0.1]`,
			`[4.5,0.002,1e-27,0,0,0,100,1,1000000000000000,0.1]`},
		{"largest integers", `[9007199254740991,-9007199254740991]`, `[9007199254740991,-9007199254740991]`},
		{"smallest double", `5e-324`, `5e-324`},
		{"RFC 8785 order of names", `{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}`,
			"{\"\\r\":2,\"1\":4,\"\u0080\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\ufb33\":3}"},
		{"one name begins another", `{"ab":1,"a":2,"":3}`, `{"":3,"a":2,"ab":1}`},
		{"names that must be escaped", `{"\"":1,"\\":2,"!":3}`, `{"!":3,"\"":1,"\\":2}`},
		{"line separators stand as they are", "\"\u2028\u2029\u007f<>&\"", "\"\u2028\u2029\u007f<>&\""},
		{"32 levels", strings.Repeat("[", 32) + strings.Repeat("]", 32), strings.Repeat("[", 32) + strings.Repeat("]", 32)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := proof.Canonical([]byte(c.in))
			if c.want == "" {
				if err == nil {
					t.Fatalf("got %s, want an error", got)
				}
				return
			}
			if err != nil || string(got) != c.want {
				t.Fatalf("got %s, %v\nwant %s", got, err, c.want)
			}
		})
	}
}

func TestCanonicalRefuses(t *testing.T) {
	for _, c := range []struct {
		name, in string
		code     proof.ErrorCode
		path     string
	}{
		{"nothing", ``, proof.InvalidJSON, "$"},
		{"half a text", `{"a":[1,`, proof.InvalidJSON, "$.a[0]"},
		{"a bad literal", `{"a":nul}`, proof.InvalidJSON, "$.a"},
		{"NaN", `{"a":{"b":NaN}}`, proof.InvalidJSON, "$.a.b"},
		{"Infinity", `[-Infinity]`, proof.InvalidJSON, "$[0]"},
		{"a leading zero", `[01]`, proof.InvalidJSON, "$"},
		{"a comment", `{/**/}`, proof.InvalidJSON, "$"},
		{"a comma too many", `[1,]`, proof.InvalidJSON, "$"},
		{"single quotes", `{'a':1}`, proof.InvalidJSON, "$"},
		{"a control character", "[\"a\nb\"]", proof.InvalidJSON, "$[0]"},
		{"a byte order mark", "\ufeff{}", proof.InvalidJSON, "$"},
		{"two values", `{} {}`, proof.TrailingData, "$"},
		{"a bracket too many", `{}}`, proof.TrailingData, "$"},
		{"a key twice", `{"a":{"b":1,"b":2}}`, proof.DuplicateKey, "$.a.b"},
		{"a key twice, once escaped", `{"a b":1,"a\u0020b":2}`, proof.DuplicateKey, `$["a b"]`},
		{"a key twice in a list", `[0,{"0":1,"0":2}]`, proof.DuplicateKey, `$[1].0`},
		{"bad UTF-8", "{\"a\":\"\xff\"}", proof.InvalidUTF8, "$.a"},
		{"half a surrogate pair", `{"a":"\ud800"}`, proof.InvalidUTF8, "$.a"},
		{"UTF-8 of a surrogate", "{\"a\":\"\xed\xa0\x80\"}", proof.InvalidUTF8, "$.a"},
		{"33 levels", strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33), proof.TooDeep, "$" + strings.Repeat(".a", 32)},
		{"a thousand levels", strings.Repeat("[", 1000), proof.TooDeep, "$" + strings.Repeat("[0]", 32)},
		{"too large", `"` + strings.Repeat("a", proof.MaxBytes) + `"`, proof.TooLarge, "$"},
		{"2^53", `{"payload":{"items":[{"n":9007199254740992}]}}`, proof.InexactNumber, "$.payload.items[0].n"},
		{"2^53 as a fraction", `9007199254740992.0`, proof.InexactNumber, "$"},
		{"-2^53", `-9007199254740992`, proof.InexactNumber, "$"},
		{"2^53 and a half, rounded", `9007199254740991.4`, proof.InexactNumber, "$"},
		{"1e400", `[1e400]`, proof.InexactNumber, "$[0]"},
		{"-1e400", `[-1e400]`, proof.InexactNumber, "$[0]"},
		{"1e30", `1e30`, proof.InexactNumber, "$"},
		{"too small", `1e-400`, proof.InexactNumber, "$"},
		{"too many digits", `0.1000000000000000055511151231257827`, proof.InexactNumber, "$"},
		{"a rounded subnormal", `4.9e-324`, proof.InexactNumber, "$"},
		{"an endless exponent", `1e99999999999999999999999999`, proof.InexactNumber, "$"},
		{"a long zero with an endless exponent", `0.` + strings.Repeat("0", 600) + `1e600000`, proof.InexactNumber, "$"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := proof.Canonical([]byte(c.in))
			var e *proof.ActionError
			if !errors.As(err, &e) {
				t.Fatalf("got %q, %v; want an *ActionError", out, err)
			}
			if e.Code != c.code || e.Path != c.path {
				t.Errorf("got %s at %s (%s), want %s at %s", e.Code, e.Path, e.Message, c.code, c.path)
			}
		})
	}
}

// Whatever the order, the white space and the spelling of numbers and strings, the canonical form of a
// value is the same, and is its own canonical form.
func TestCanonicalIsOneForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := genValue(4).Draw(t, "value")
		seed := rapid.Uint64().Draw(t, "seed")
		spellings := rand.New(rand.NewPCG(seed, seed))
		first, err := proof.Canonical([]byte(spell(value, spellings)))
		if err != nil {
			t.Fatal(err)
		}
		second, err := proof.Canonical([]byte(spell(value, spellings)))
		if err != nil || string(second) != string(first) {
			t.Fatalf("two spellings: %s, then %s, %v", first, second, err)
		}
		again, err := proof.Canonical(first)
		if err != nil || string(again) != string(first) {
			t.Fatalf("canonical form of %s: %s, %v", first, again, err)
		}
	})
}

// Two different decimals never share a canonical form: the hash binds the very number.
func TestNumbersAreNeverRounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?`).Draw(t, "digits")
		got, err := proof.Canonical([]byte(digits))
		if err != nil {
			return
		}
		f, _ := strconv.ParseFloat(digits, 64)
		exact := strconv.FormatFloat(f, 'f', -1, 64)
		trim := func(s string) string {
			if strings.Contains(s, ".") {
				s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
			}
			if s == "-0" {
				s = "0"
			}
			return s
		}
		if trim(digits) != trim(exact) {
			t.Fatalf("%s became %s", digits, got)
		}
	})
}

// genValue makes JSON values out of nil, bool, int64, string, []any and map[string]any.
func genValue(depth int) *rapid.Generator[any] {
	scalars := []*rapid.Generator[any]{
		rapid.Just[any](nil),
		rapid.Bool().AsAny(),
		rapid.Int64Range(-1<<53+1, 1<<53-1).AsAny(),
		rapid.String().AsAny(),
	}
	if depth == 0 {
		return rapid.OneOf(scalars...)
	}
	return rapid.OneOf(append(scalars,
		rapid.Custom(func(t *rapid.T) any { return rapid.SliceOfN(genValue(depth-1), 0, 4).Draw(t, "array") }),
		rapid.Custom(func(t *rapid.T) any {
			return rapid.MapOfN(rapid.String(), genValue(depth-1), 0, 5).Draw(t, "object")
		}))...)
}

// spell writes a value in one of its many spellings.
func spell(value any, r *rand.Rand) string {
	space := []string{"", "", " ", "\n\t", "\r\n "}[r.IntN(5)]
	var out string
	switch v := value.(type) {
	case nil:
		out = "null"
	case bool:
		out = strconv.FormatBool(v)
	case int64:
		out = strconv.FormatInt(v, 10) + []string{"", ".0", "e0", "E+00"}[r.IntN(4)]
	case string:
		out = spellString(v, r)
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, spell(e, r))
		}
		out = "[" + strings.Join(parts, ",") + space + "]"
	case map[string]any:
		var parts []string
		for k, e := range v { // in random order
			parts = append(parts, spellString(k, r)+space+":"+spell(e, r))
		}
		slices.SortFunc(parts, func(string, string) int { return r.IntN(3) - 1 })
		out = "{" + strings.Join(parts, ",") + "}"
	}
	return space + out + space
}

func spellString(s string, r *rand.Rand) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c < ' ' || c == '"' || c == '\\' || c < 0xD800 && r.IntN(4) == 0:
			fmt.Fprintf(&b, []string{`\u%04x`, `\u%04X`}[r.IntN(2)], c)
		case c > 0xFFFF && r.IntN(2) == 0:
			c -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xD800+c>>10, 0xDC00+c&0x3FF)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
