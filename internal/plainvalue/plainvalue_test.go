package plainvalue_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/plainvalue"
)

func TestFault(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", "abc", "a b,c;d", "https://api.example.com/v1", "ü"} {
		t.Run(fmt.Sprintf("%q", value), func(t *testing.T) {
			t.Parallel()
			require.Empty(t, plainvalue.Fault(value))
		})
	}
	for _, value := range []string{`a"b`, "a'b", "a`b", `a\b`, "a$b"} {
		t.Run(fmt.Sprintf("%q", value), func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, plainvalue.Fault(value))
		})
	}
}
