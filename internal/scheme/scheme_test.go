package scheme_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
)

func TestContractsExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/ovhcloud.yml")
	require.NoError(t, err)
	s, err := scheme.Parse(string(text))
	require.NoError(t, err)
	require.NoError(t, s.CheckExamples())
	t.Log(s.Lints())
}
