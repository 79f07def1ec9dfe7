package kubernetes

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// secretWatch looks at the Secrets that an operator keeps, again and again.
type secretWatch struct {
	c *cluster
	m *harness.Mount
	// keys are those that each Secret has, and no other.
	keys map[string][]string
	// seen has every content that a Secret had, in order.
	seen map[string][]content
}

// content is what a Secret has under its keys.
type content = map[string]string

func watch(c *cluster, m *harness.Mount, keys map[string][]string) *secretWatch {
	return &secretWatch{c: c, m: m, keys: keys, seen: map[string][]content{}}
}

// look looks at every Secret once. A Secret that was there stays, and the vendor takes what is in it.
func (w *secretWatch) look(t *testing.T) {
	t.Helper()
	for name, keys := range w.keys {
		current := w.read(t, name)
		if current == nil {
			require.Empty(t, w.seen[name], "%s is gone", name)
			continue
		}
		require.ElementsMatch(t, keys, slices.Collect(maps.Keys(current)), name)
		require.NoError(t, w.call(t, name, current), "%s, after %d refreshes", name, len(w.seen[name])-1)
		if seen := w.seen[name]; len(seen) == 0 || !maps.Equal(seen[len(seen)-1], current) {
			w.seen[name] = append(seen, current)
		}
	}
}

// read is what a Secret has now, or nil.
func (w *secretWatch) read(t *testing.T, name string) content {
	t.Helper()
	status, secret := w.c.request(t, http.MethodGet, "/api/v1/namespaces/"+namespace+"/secrets/"+name, "")
	if status == http.StatusNotFound {
		return nil
	}
	require.Equal(t, http.StatusOK, status, secret["message"])
	current := content{}
	data, _ := secret["data"].(values)
	for key, encoded := range data {
		decoded, err := base64.StdEncoding.DecodeString(encoded.(string))
		require.NoError(t, err)
		current[key] = string(decoded)
	}
	return current
}

// call calls the vendor with what is in a Secret.
func (w *secretWatch) call(t *testing.T, name string, current content) error {
	t.Helper()
	headers, path := values{}, ""
	for line := range strings.Lines(current["headers"]) {
		header, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		headers[header] = value
	}
	switch name {
	case "pave-headers":
		path = "/v1/sessions"
	case "orders-headers":
		path = ordersPath
	case "oauth2-headers":
		path = "/oauth2/v1/orders"
	case "infinity-token":
		path, headers["x-av-req-id"] = "/app/hec-api/v1.0/scopes", uuid.NewString()
		if headers["Authorization"] != "Bearer "+current["token"] {
			return fmt.Errorf("headers and token of %s differ", name)
		}
	case "avanan-token": // a call needs a signature too, which Vault does not make while it is sealed
		if !w.m.Vendor.Living(current["token"]) {
			return fmt.Errorf("the token in %s has expired", name)
		}
		return nil
	}
	if status := w.m.Call(w.m.URL+path, headers); status != http.StatusOK {
		return fmt.Errorf("a call with %s got %d", name, status)
	}
	return nil
}

// callSigned calls Avanan with the token in the Secret, and a signature for the call.
func (w *secretWatch) callSigned(t *testing.T) {
	t.Helper()
	signed := w.m.Read("sign/avanan/us", "request_string", "/v1.0/scopes")
	headers := signed.Data["headers"].(values)
	require.Contains(t, headers, "x-av-token")
	headers["x-av-token"] = w.read(t, "avanan-token")["token"]
	require.Equal(t, http.StatusOK, w.m.Call(signed.Data["url"].(string), headers))
}

// refreshes looks at the Secrets until each was refreshed count times from now on.
func (w *secretWatch) refreshes(t *testing.T, count int, during string) {
	t.Helper()
	before := map[string]int{}
	for name := range w.keys {
		before[name] = len(w.seen[name])
	}
	harness.Eventually(t, func() bool {
		w.look(t)
		for name := range w.keys {
			if len(w.seen[name]) < before[name]+count {
				return false
			}
		}
		return true
	}, fmt.Sprintf("%d refreshes of each Secret %s", count, during))
}
