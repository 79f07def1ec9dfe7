package scheme

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNewerRulesRefuseNewDocumentsOnly(t *testing.T) {
	t.Parallel()
	first, second := errors.New("first"), errors.New("second")
	require.Equal(t, first, (&newerRules{}).refuse(first))
	stored := &newerRules{stored: true}
	require.NoError(t, stored.refuse(first))
	require.NoError(t, stored.refuse(second))
	require.Equal(t, first, stored.broken)
}
