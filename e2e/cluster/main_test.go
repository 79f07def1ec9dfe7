// Package cluster tests the plugin where processes end: in clusters whose leader is lost, in Vaults that restart or are
// restored from a snapshot, with plugins that are killed or upgraded.
package cluster

import (
	"testing"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

type values = harness.Values
