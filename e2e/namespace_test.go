package e2e

import (
	"net/http"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/backend"
	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

var hint = regexp.MustCompile(`write one first: vault (write .* )username=`)

// The error about a missing config names a command that writes it, for users who have set the mount's namespace,
// another or none.
func TestHintWritesConfigInAnyNamespace(t *testing.T) {
	t.Parallel()
	for namespace, mount := range map[string]string{
		"":           "department/team/apisig",
		"team":       "apisig",
		"team/inner": "department/apisig",
	} {
		t.Run(namespace+" "+mount, func(t *testing.T) {
			t.Parallel()
			server := harness.Shared(t)
			if namespace != "" && !server.Kind.HasNamespaces() {
				t.Skip(server.Kind, "has no namespaces")
			}
			m := server.Unmounted(t, mount)
			makeNamespace(t, m, namespace)
			m.Enable(harness.PluginName, backend.Version)
			for _, set := range []string{"", namespace} {
				status, _, text := m.Request(http.MethodGet, "creds/pave/main", nil)
				require.Equal(t, http.StatusBadRequest, status, text)
				hinted := hint.FindStringSubmatch(text)
				require.NotEmpty(t, hinted, text)
				run := harness.Command(server.Binary, append(strings.Fields(hinted[1]),
					"username=acme", "api_key="+sandbox.Default().PAVEAPIKey, "api_secret=-", "base_url="+m.URL)...)
				run.Env = server.Environ()
				if set != "" {
					run.Env = append(run.Env, "VAULT_NAMESPACE="+set, "BAO_NAMESPACE="+set)
				}
				run.Stdin = strings.NewReader(harness.PaveSecret)
				harness.Run(t, run)
				require.Equal(t, http.StatusOK, m.Call(m.URL+"/v1/sessions", m.Read("creds/pave/main").Data["headers"]))
				status, _, text = m.Request(http.MethodDelete, "config/pave/main", nil)
				require.Equal(t, http.StatusNoContent, status, text)
			}
		})
	}
}

// makeNamespace creates a namespace, and first its parents. After that the mount's client uses the namespace.
func makeNamespace(t *testing.T, m *harness.Mount, namespace string) {
	t.Helper()
	if namespace == "" {
		return
	}
	parent, name := path.Split(namespace)
	makeNamespace(t, m, strings.TrimSuffix(parent, "/"))
	_, err := m.Client.Logical().WriteWithContext(t.Context(), "sys/namespaces/"+name, nil)
	require.NoError(t, err)
	m.Client.SetNamespace(namespace)
}
