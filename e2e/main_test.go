// Package e2e runs the built plugin in a real Vault process and uses it as its users do: over the HTTP API and by the
// command line, against the vendors' stand-ins. What needs a cluster, or Vaults and plugins that are killed, restarted
// and upgraded, is in cluster; what needs load is in load.
package e2e

import (
	"testing"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

type values = harness.Values
