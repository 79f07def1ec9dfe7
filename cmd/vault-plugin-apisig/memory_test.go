package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// printsLimit is the variable that makes this program print its memory limit instead of running the tests.
const printsLimit = "TEST_PRINTS_MEMORY_LIMIT"

func TestMain(m *testing.M) {
	if os.Getenv(printsLimit) != "" {
		fmt.Print(debug.SetMemoryLimit(-1))
		return
	}
	if os.Getenv(asksEarly) != "" {
		askEarly()
		return
	}
	os.Exit(m.Run())
}

// The process has a soft memory limit of 512 MiB, unless GOMEMLIMIT says something else.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		variable string
		want     int
	}{
		"by default":          {"", 512 << 20},
		"a smaller one":       {"64MiB", 64 << 20},
		"a larger one":        {"2GiB", 2 << 30},
		"none, if that is it": {"off", math.MaxInt64},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program, err := os.Executable()
			require.NoError(t, err)
			run := exec.CommandContext(t.Context(), program)
			run.Env = append(os.Environ(), printsLimit+"=1", "GOMEMLIMIT="+test.variable)
			printed, err := run.Output()
			require.NoError(t, err)
			require.Equal(t, strconv.Itoa(test.want), string(printed))
		})
	}
}
