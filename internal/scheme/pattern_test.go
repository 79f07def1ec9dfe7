package scheme

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPatternsAreShared(t *testing.T) {
	t.Parallel()
	const text = "shared[a-z]{7}"
	entries := func() int {
		patterns.mu.Lock()
		defer patterns.mu.Unlock()
		if _, has := patterns.byText[text]; has {
			return 1
		}
		return 0
	}
	first, fault := sharedPattern(text)
	require.Empty(t, fault)
	for range 3 {
		runtime.GC()
		second, fault := sharedPattern(text)
		require.Empty(t, fault)
		require.Same(t, first, second)
	}
	other, fault := sharedPattern("shared[a-z]{8}")
	require.Empty(t, fault)
	require.NotSame(t, first, other)
	require.Equal(t, 1, entries())
	runtime.KeepAlive(first)
	// Nothing is left of one that is not in use.
	require.Eventually(t, func() bool { runtime.GC(); return entries() == 0 }, 10*time.Second, time.Millisecond)
	_, fault = sharedPattern("(")
	require.Contains(t, fault, "is not a regular expression")
}
