// Package gateways tests forward_auth of apisig-proxy behind real gateways, with the examples of their configurations:
// nginx and Caddy. A test is skipped where its gateway is not on the machine; make e2e-gateways gets them.
package gateways

import (
	"testing"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
