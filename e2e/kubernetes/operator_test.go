package kubernetes

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

const (
	operatorNamespace = "vault-secrets-operator"
	dynamicSecrets    = "/apis/secrets.hashicorp.com/v1beta1/namespaces/" + namespace + "/vaultdynamicsecrets/"
)

// letIn runs the example's script, after which the cluster's ServiceAccounts log in to Vault.
func (c *cluster) letIn(t *testing.T, m *harness.Mount) {
	t.Helper()
	bin := t.TempDir()
	require.NoError(t, os.Symlink(m.Server.Binary, filepath.Join(bin, "vault")))
	for range 2 {
		script := harness.Command(example("vault.sh"))
		script.Env = append(m.Server.Environ(),
			"PATH="+bin+":"+os.Getenv("PATH"), "KUBERNETES_ISSUER="+issuer, "KUBERNETES_KEY="+c.keyFile())
		harness.Run(t, script)
	}
}

// startOperator starts the Vault Secrets Operator, and returns its process. It retries ten times as fast as by default,
// because headers and tokens live for a tenth of their time here.
func (c *cluster) startOperator(t *testing.T, pod string) *os.Process {
	t.Helper()
	operator := harness.Command(c.operator, "--leader-elect=false", "--metrics-bind-address="+address(t),
		"--health-probe-bind-address="+address(t), "--client-cache-persistence-model=none",
		"--backoff-initial-interval=500ms", "--backoff-max-interval=6s")
	operator.Env = append(os.Environ(),
		"KUBECONFIG="+c.kubeconfig(t), "OPERATOR_NAMESPACE="+operatorNamespace, "OPERATOR_POD_UID="+pod)
	harness.Background(t, operator, c.file(pod+".log"), harness.Canary)
	return operator.Process
}

// kubeconfig is the path of a file by which operators find the API server.
func (c *cluster) kubeconfig(t *testing.T) string {
	t.Helper()
	file := c.file("kubeconfig")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `
apiVersion: v1
kind: Config
clusters: [{name: e2e, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: e2e, user: {token: %q}}]
contexts: [{name: e2e, context: {cluster: e2e, user: e2e}}]
current-context: e2e
`, c.url, c.certificateFile(), c.token), 0o600))
	return file
}

// lease is the id and the duration of the lease that the operator has for a VaultDynamicSecret.
func (c *cluster) lease(t *testing.T, name string) (id string, seconds float64) {
	t.Helper()
	_, object := c.request(t, "GET", dynamicSecrets+name, "")
	status, _ := object["status"].(values)
	lease, _ := status["secretLease"].(values)
	id, _ = lease["id"].(string)
	seconds, _ = lease["duration"].(float64)
	return id, seconds
}

// failures counts the events by which the operator says that it could not read from Vault.
func (c *cluster) failures(t *testing.T) (count float64) {
	t.Helper()
	_, listed := c.request(t, "GET", "/api/v1/namespaces/"+namespace+"/events", "")
	events, _ := listed["items"].([]any)
	for _, event := range events {
		if fields, is := event.(values); is && fields["reason"] == "SecretSyncError" {
			times, _ := fields["count"].(float64)
			count += max(times, 1)
		}
	}
	return count
}
