package scheme

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFieldsWithTwoValues(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]bool{
		defaultPattern:     true,
		`GET`:              false,
		`GET|PUT`:          true,
		`(GET|PUT)`:        true,
		`G(E|U)T`:          true,
		`(GET|get|PUT)x`:   true,
		`GET|GET`:          false,
		`(?i)get`:          false, // lower leaves one value
		`get|GET`:          false,
		`a| a`:             false, // trim leaves one
		`a|%61`:            false, // and sorted_query
		`\s+`:              false,
		`&+`:               false,
		`[A-Z]{3,7}`:       true,
		`[A-Z]{3}`:         true,
		`[A]{3}`:           false,
		`A{3}`:             false,
		`A{3,4}`:           true,
		`A{3,}`:            true,
		`A+`:               false, // there is no sample of two
		`A+B?`:             true,
		`A?`:               false, // can be empty
		`(?s).*`:           false,
		`(?s).+`:           true,
		`.`:                true,
		`\pL`:              true,
		`\d{4}-\d{2}`:      true,
		`^\d+$`:            true,
		`\bGET\b`:          false,
		`\b[a-z]+\b`:       true,
		`\B[a-z]\B`:        false, // no value at all
		`[^a-zA-Z0-9]+x`:   true,
		`[0-9a-f]{64}`:     true,
		`[0-9a-f]{500}`:    true,
		`[0-9a-f]{600}`:    false, // takes long to match
		`x*y`:              true,
		`x*?y`:             true,
		`v1/\w+/(old|new)`: true,
		`\Qa.b\E`:          false,
		`\x{2028}`:         false,
		`[\x{4e2d}]`:       false,
		`\s*\s*\s*x[01]`:   true,
	} {
		t.Run(pattern, func(t *testing.T) {
			t.Parallel()
			compiled, fault := newPattern(pattern)
			require.Empty(t, fault)
			f := field{name: "field", pattern: compiled, max: 1_000}
			two, _ := f.hasTwoValues()
			require.Equal(t, want, two)
			f.optional = true
			two, decoded := f.hasTwoValues()
			require.False(t, two)
			require.False(t, decoded)
		})
	}
	// max, and the rules of request strings, leave out values.
	of := func(name, pattern string, longest int) bool {
		compiled, fault := newPattern(pattern)
		require.Empty(t, fault, pattern)
		two, _ := field{name: name, pattern: compiled, max: longest}.hasTwoValues()
		return two
	}
	require.False(t, of("field", `A{3,4}`, 3))
	require.True(t, of("field", `[A-Z]{3,4}`, 3))
	require.False(t, of("field", `[A-Z]{3,4}`, 2))
	require.True(t, of("request_string", defaultPattern, 100))
	require.True(t, of("request_string", `/v1/[a-z]+`, 100))
	require.False(t, of("request_string", `/v1|v1`, 100))
	require.False(t, of("request_string", `/v1|/v1/\.\.`, 100))
}
