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

// With external-secrets.yml, the External Secrets Operator keeps a Secret whose headers PAVE takes at every moment,
// also while Vault is sealed and unsealed. Its refreshInterval is a tenth of the example's, because headers live for a
// tenth of their time here.
func TestExternalSecretsOperatorKeepsSecretFresh(t *testing.T) {
	t.Parallel()
	c, server, m := startWithEngine(t)

	auth := objects(t, "auth.yml")
	c.mustApply(t, objectPath(t, auth[0]), auth[0]) // the ServiceAccount
	for _, object := range objects(t, "external-secrets.yml") {
		object = strings.ReplaceAll(object, vaultInExamples, m.Server.Address)
		object = strings.ReplaceAll(object, "refreshInterval: 150s", "refreshInterval: 15s")
		c.mustApply(t, objectPath(t, object), object)
	}
	operator := harness.Command(c.externalSecrets,
		"--metrics-addr="+address(t), "--live-addr="+address(t), "--namespace="+namespace)
	operator.Env = append(os.Environ(), "KUBECONFIG="+c.kubeconfig(t))
	harness.Background(t, operator, c.file("external-secrets.log"), harness.Canary)

	w := watch(c, m, map[string][]string{"pave-headers": {"headers"}})
	w.refreshes(t, 1, "at first")
	begin := time.Now()
	w.refreshes(t, 3, "while all is well")
	well := window{begin, time.Now()}
	require.NoError(t, m.Client.Sys().SealWithContext(t.Context()))
	harness.Eventually(t, func() bool {
		w.look(t)
		return !c.externalSecretReady(t)
	}, "the operator fails to read from a sealed Vault")
	server.Unseal(t)
	server.Ready(t)
	w.refreshes(t, 2, "after Vault was unsealed")
	require.True(t, c.externalSecretReady(t))
	checkAudit(t, m, well, 2, "apisig/creds/pave/main") // it sometimes reads twice for one refresh
}

// externalSecretReady reports whether the operator could read from Vault when it last tried.
func (c *cluster) externalSecretReady(t *testing.T) bool {
	t.Helper()
	const path = "/apis/external-secrets.io/v1/namespaces/" + namespace + "/externalsecrets/pave-headers"
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
