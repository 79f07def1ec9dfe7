// Package prometheus tests the examples of monitoring: that they name what the engine exposes and what the documents
// explain, and, with make e2e-prometheus, that a real Prometheus scrapes a real Vault with them.
package prometheus

import (
	"testing"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
