package kubernetes

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// With the examples' files, the External Secrets Operator keeps a Secret that the vendor takes at every moment, also
// while Vault is sealed and unsealed. refreshInterval is shorter than in the files: half of what headers, and a quarter
// of what tokens live for here.
func TestExternalSecretsOperatorKeepsSecretFresh(t *testing.T) {
	t.Parallel()
	needsKubernetes(t)
	for file, row := range map[string]struct{ interval, secret, path string }{ //nolint:paralleltest // each has a cluster
		"external-secrets.yml":        {"150s", "pave-headers", "apisig/creds/pave/main"},
		"external-secrets-oauth2.yml": {"5m", "oauth2-headers", "apisig/creds/custom/main"},
	} {
		t.Run(file, func(t *testing.T) {
			c, server, m := startWithEngine(t)
			writeOAuth(m, 2*life)

			auth := objects(t, "auth.yml")
			c.mustApply(t, objectPath(t, auth[0]), auth[0]) // the ServiceAccount
			for _, object := range objects(t, file) {
				object = strings.ReplaceAll(object, vaultInExamples, m.Server.Address)
				object = strings.ReplaceAll(object, "refreshInterval: "+row.interval, "refreshInterval: 15s")
				c.mustApply(t, objectPath(t, object), object)
			}
			operator := harness.Command(c.externalSecrets,
				"--metrics-addr="+address(t), "--live-addr="+address(t), "--namespace="+namespace)
			operator.Env = append(os.Environ(), "KUBECONFIG="+c.kubeconfig(t))
			harness.Background(t, operator, c.file("external-secrets.log"), harness.Canary)

			w := watch(c, m, map[string][]string{row.secret: {"headers"}})
			w.refreshes(t, 1, "at first")
			begin := time.Now()
			w.refreshes(t, 3, "while all is well")
			well := window{begin, time.Now()}
			require.NoError(t, m.Client.Sys().SealWithContext(t.Context()))
			harness.Eventually(t, func() bool {
				w.look(t)
				return !c.externalSecretReady(t, row.secret)
			}, "the operator fails to read from a sealed Vault")
			server.Unseal(t)
			server.Ready(t)
			w.refreshes(t, 2, "after Vault was unsealed")
			require.True(t, c.externalSecretReady(t, row.secret))
			checkAudit(t, m, well, 2, row.path) // it sometimes reads twice for one refresh
		})
	}
}

// externalSecretReady reports whether the operator could read an ExternalSecret from Vault when it last tried.
func (c *cluster) externalSecretReady(t *testing.T, name string) bool {
	t.Helper()
	path := "/apis/external-secrets.io/v1/namespaces/" + namespace + "/externalsecrets/" + name
	_, object := c.request(t, http.MethodGet, path, "")
	status, _ := object["status"].(values)
	conditions, _ := status["conditions"].([]any)
	for _, condition := range conditions {
		if fields := condition.(values); fields["type"] == "Ready" {
			return fields["status"] == "True"
		}
	}
	return false
}
