// Package load measures the plugin and tests it under load, in Vaults that log errors only. Two of its tests take
// minutes and run alone: TestSoak is run by make soak, and TestBench at length by make bench.
package load

import (
	"testing"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

type values = harness.Values
