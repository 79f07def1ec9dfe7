// Package kubernetes tests the examples for Kubernetes: that they name what the engine answers, and, with make
// e2e-kubernetes, that the Vault Secrets Operator keeps Secrets fresh with them. That needs no cluster: etcd, an API
// server and the operator run as plain processes, against a real Vault.
package kubernetes

import (
	"testing"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
