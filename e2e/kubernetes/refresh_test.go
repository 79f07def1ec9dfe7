package kubernetes

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

const (
	// life is how long headers and tokens are good for. PAVE's is 300s, and a config's ttl is half of it by default.
	life = 30 * time.Second
	half = int(life/time.Second) / 2

	ordersPath = "/custom/v1/orders"
	// ordersScheme signs one call of the declared API, so that its headers can be read without a request.
	ordersScheme = `
secrets: {secret: {}}
headers: {X-Time: now.unix(), X-Signature: 'hex(hmac_sha256(secret, now.unix() + "\nGET\n` + ordersPath + `\n"))'}
ttl: 30s
examples:
  - secrets: {secret: made-up}
    now: 2026-01-02T03:04:05Z
    want: {X-Signature: 5261cea8d18a92734142820af58972561f15a8cc89cd3e0dd0be98b4bd7b25cd}
`
)

// With the files of examples/kubernetes, the Vault Secrets Operator keeps Secrets that the vendors take at every
// moment: while all is well, and while Vault is sealed and unsealed, the plugin is reloaded, and the operator is
// killed. It does not ask for more than it needs. Deleting a VaultDynamicSecret revokes its lease, and costs other
// readers nothing.
func TestSecretsOperatorKeepsSecretsFresh(t *testing.T) {
	t.Parallel()
	c, server, m := startWithEngine(t)
	c.strict(t)

	for _, file := range []string{"auth.yml", "pave.yml", "avanan.yml", "infinity.yml", "custom.yml", "oauth2.yml"} {
		c.applyExample(t, file, m.Server.Address)
	}
	operator := c.startOperator(t, "first")
	w := watch(c, m, map[string][]string{
		"pave-headers":   {"headers"},
		"avanan-token":   {"token"},
		"infinity-token": {"headers", "token"},
		"orders-headers": {"headers"},
		"oauth2-headers": {"headers"},
	})
	w.refreshes(t, 1, "at first")
	begin := time.Now()
	w.refreshes(t, 3, "while all is well")
	w.callSigned(t)
	well := window{begin, time.Now()}

	failures := c.failures(t)
	require.NoError(t, m.Client.Sys().SealWithContext(t.Context()))
	harness.Eventually(t, func() bool {
		w.look(t)
		return c.failures(t) > failures
	}, "the operator fails to read from a sealed Vault")
	server.Unseal(t)
	server.Ready(t)
	w.refreshes(t, 1, "after Vault was unsealed")

	_, err := m.Client.Sys().ReloadPluginWithContext(t.Context(), &api.ReloadPluginInput{Plugin: harness.PluginName})
	require.NoError(t, err)
	w.refreshes(t, 1, "after the plugin was reloaded")

	require.NoError(t, operator.Kill())
	w.look(t)
	c.startOperator(t, "second")
	w.refreshes(t, 1, "after the operator was killed")
	w.callSigned(t)

	deletionCostsNothing(t, c, w)
	checkAudit(t, m, well, 1,
		"apisig/creds/pave/main", "apisig/creds/custom/orders",
		"apisig/creds/avanan/us", "apisig/creds/infinity/us", "apisig/creds/custom/main")
}

// writeShortLived writes the configs that the examples read, whose headers and tokens live for a tenth of their time.
func writeShortLived(m *harness.Mount) {
	m.T.Helper()
	m.Vendor.Change(func(b *sandbox.Behaviour) { b.SignatureLife = life })
	m.Write("config/pave/main", harness.With(m.PaveValues(), values{"ttl": half}))
	m.Write("config/custom/orders", values{"scheme": ordersScheme, "secret": harness.CustomSecret, "base_url": m.URL})
	for _, vendor := range m.BuiltInTokenVendors() {
		vendor.Live(life)
		m.Write("config/"+vendor.Name+"/us", harness.With(vendor.Values, values{"min_ttl": half}))
	}
	writeOAuth(m, life)
}

// writeOAuth writes a config of an API with OAuth 2.0, and makes its tokens live so long from now on.
func writeOAuth(m *harness.Mount, life time.Duration) {
	m.T.Helper()
	m.Vendor.Change(func(b *sandbox.Behaviour) { b.OAuthTokenLife = life })
	given := values{"min_ttl": int(life/time.Second) / 2, "verify": true} // also if only min_ttl changes
	m.Write("config/custom/main", harness.With(m.OAuthValues(), given))
}

// defineAll applies the custom resource definitions of the operators.
func (c *cluster) defineAll(t *testing.T) {
	t.Helper()
	for _, folder := range []string{c.operatorCRDs, c.externalSecretsCRDs} {
		files, err := filepath.Glob(filepath.Join(folder, "*_*.yaml"))
		require.NoError(t, err)
		require.NotEmpty(t, files, folder)
		for _, file := range files {
			c.define(t, file)
		}
	}
}

// strict shows that the API server rejects what it does not know, and takes the files that are not used here.
func (c *cluster) strict(t *testing.T) {
	t.Helper()
	pave, err := os.ReadFile(example("pave.yml"))
	require.NoError(t, err)
	unknown := strings.ReplaceAll(string(pave), "allowStaticCreds:", "allowStaticCredentials:")
	status, answer := c.apply(t, objectPath(t, unknown), unknown)
	require.GreaterOrEqual(t, status, http.StatusBadRequest)
	require.Contains(t, answer["message"], "allowStaticCredentials")

	for _, file := range []string{"external-secrets.yml", "external-secrets-oauth2.yml"} {
		c.applyExample(t, file, vaultInExamples, "dryRun=All")
	}
	auth, err := os.ReadFile(example("auth.yml"))
	require.NoError(t, err)
	objects := strings.Split(string(auth), "\n---\n")
	kubernetes := strings.ReplaceAll(objects[len(objects)-1], "jwt", "kubernetes") // as the file says
	c.mustApply(t, objectPath(t, kubernetes), kubernetes, "dryRun=All")
}

// deletionCostsNothing deletes every VaultDynamicSecret, while others use the same tokens.
func deletionCostsNothing(t *testing.T, c *cluster, w *secretWatch) {
	t.Helper()
	m, vendors := w.m, w.m.BuiltInTokenVendors()
	for _, vendor := range vendors {
		vendor.Live(time.Hour)
	}
	harness.Eventually(t, func() bool {
		w.look(t)
		return !slices.ContainsFunc(vendors, func(vendor harness.TokenVendor) bool {
			_, seconds := c.lease(t, vendor.Name+"-token")
			return seconds < 600
		})
	}, "leases of long-lived tokens")
	w.look(t)
	for _, vendor := range vendors {
		exchanges, reader := vendor.Exchanges(), m.Read("creds/"+vendor.Name+"/us")
		name := vendor.Name + "-token"
		shared := w.read(t, name)["token"] == reader.Data["token"]
		require.True(t, shared, "they share the token")
		lease, _ := c.lease(t, name)
		_, err := m.Client.Sys().LookupWithContext(t.Context(), lease)
		require.NoError(t, err)
		c.remove(t, name)
		harness.Eventually(t, func() bool {
			_, err := m.Client.Sys().LookupWithContext(t.Context(), lease)
			return err != nil
		}, "the lease of "+name+" is revoked")
		_, err = m.Client.Sys().LookupWithContext(t.Context(), reader.LeaseID)
		require.NoError(t, err, "the other reader's lease stays")
		require.True(t, m.Vendor.Living(reader.Data["token"].(string)))
		again := m.Read("creds/" + vendor.Name + "/us").Data["token"]
		require.True(t, again == reader.Data["token"], "the token stays") //nolint:testifylint // shows no token
		require.Equal(t, exchanges, vendor.Exchanges())
	}
	for _, name := range []string{"pave-headers", "orders-headers", "oauth2-headers"} {
		c.remove(t, name)
	}
	require.Empty(t, m.IrrevocableLeases())
}

// remove deletes a VaultDynamicSecret, and waits until the operator has let go of it.
func (c *cluster) remove(t *testing.T, name string) {
	t.Helper()
	status, answer := c.request(t, http.MethodDelete, dynamicSecrets+name, "")
	require.Equal(t, http.StatusOK, status, answer["message"])
	harness.Eventually(t, func() bool {
		status, _ := c.request(t, http.MethodGet, dynamicSecrets+name, "")
		return status == http.StatusNotFound
	}, name+" is gone")
}
