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
		t.Run(printed, func(t *testing.T) {
			t.Parallel()
			kind, err := kindOf(printed)
			require.NoError(t, err)
			require.Equal(t, want, kind)
		})
	}
}

func TestOtherVersionsAreOfNoKind(t *testing.T) {
	t.Parallel()
	for name, printed := range map[string]string{
		"nothing":           "",
		"no version":        "Vault",
		"no v":              "Vault 1.21.1",
		"another program":   "bash v5.2.0",
		"part of a version": "Vault v1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := kindOf(printed)
			require.Error(t, err)
		})
	}
}

func TestKindKnowsWhatDiffers(t *testing.T) {
	t.Parallel()
	for kind, want := range map[Kind]struct {
		comparesWholeValues, standbysServeReads bool
		batchLimit                              int
	}{
		{false, 1, 20, 9}: {true, false, 1000},
		{false, 1, 21, 0}: {false, false, 1000},
		{false, 2, 0, 0}:  {false, false, 1000},
		{false, 2, 4, 1}:  {false, false, 1000},
		{false, 2, 5, 0}:  {false, false, 1000},
		{true, 2, 4, 0}:   {true, false, 1000},
		{true, 2, 4, 1}:   {true, false, 999},
		{true, 2, 4, 9}:   {true, false, 999},
		{true, 2, 5, 0}:   {true, true, 999},
		{true, 2, 10, 0}:  {true, true, 999},
	} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want.comparesWholeValues, kind.ComparesWholeValues())
			require.Equal(t, want.standbysServeReads, kind.StandbysServeReads())
			most, _ := kind.BatchLimit()
			require.Equal(t, want.batchLimit, most)
		})
	}
}
