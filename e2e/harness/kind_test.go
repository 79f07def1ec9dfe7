package harness

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKindIsReadFromVersion(t *testing.T) {
	t.Parallel()
	for printed, want := range map[string]Kind{
		"Vault v1.21.1 (2453aac2638a6ae243341b4e0657fd8aea1cbf18), built 2025-11-18T13:04:32Z\n": {false, 1, 21, 1},
		"Vault v1.20.0+ent": {false, 1, 20, 0},
		"OpenBao v2.4.0 (f9407a27fbee45f62ba521bba2bf1e2360c61031), built 2025-08-28\n": {true, 2, 4, 0},
		"OpenBao v2.10.1-dev": {true, 2, 10, 1},
	} {
		kind, err := kindOf(printed)
		require.NoError(t, err)
		require.Equal(t, want, kind, printed)
	}
	for _, printed := range []string{"", "Vault", "Vault 1.21.1", "bash v5.2.0", "Vault v1"} {
		_, err := kindOf(printed)
		require.Error(t, err, printed)
	}
}

func TestKindKnowsWhatDiffers(t *testing.T) {
	t.Parallel()
	require.True(t, Kind{true, 2, 4, 0}.ComparesWholeValues())
	require.True(t, Kind{false, 1, 20, 9}.ComparesWholeValues())
	require.False(t, Kind{false, 1, 21, 0}.ComparesWholeValues())
	require.False(t, Kind{false, 2, 0, 0}.ComparesWholeValues())
	require.False(t, Kind{true, 2, 4, 9}.StandbysServeReads())
	require.True(t, Kind{true, 2, 5, 0}.StandbysServeReads())
	require.False(t, Kind{false, 2, 5, 0}.StandbysServeReads())
	for kind, want := range map[Kind]int{{true, 2, 4, 0}: 1000, {true, 2, 4, 1}: 999, {true, 2, 10, 0}: 999, {false, 2, 4, 1}: 1000} {
		most, _ := kind.BatchLimit()
		require.Equal(t, want, most, kind)
	}
}
