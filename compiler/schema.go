package compiler

// Schema is the JSON Schema (draft 2020-12) of a policy file.
func Schema() []byte {
	return []byte(`{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}`)
}
