package harness

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/backend"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// Mount is the engine, mounted for one test, with stand-ins for the vendors that no other mount calls.
type Mount struct {
	T      *testing.T
	Server *Server
	Client *api.Client
	Path   string
	Vendor *sandbox.Sandbox
	URL    string // of the stand-ins
}

// Values are the fields of a request or an answer.
type Values = map[string]any

// With is a copy of values with some of them replaced or added.
func With(base Values, over ...Values) Values {
	all := Values{}
	for _, some := range append([]Values{base}, over...) {
		for name, value := range some {
			all[name] = value
		}
	}
	return all
}

// NewMount mounts the engine in the Vault that the tests of a package share.
func NewMount(t *testing.T) *Mount {
	t.Helper()
	return NewMountOf(t, PluginName)
}

// NewMountOf mounts a plugin with a name of its own in the Vault that the tests of a package share.
func NewMountOf(t *testing.T, plugin string) *Mount {
	t.Helper()
	m := Shared(t).Unmounted(t, "apisig-"+strings.ToLower(rand.Text()[:8]))
	m.Enable(plugin, backend.Version)
	t.Cleanup(func() { _ = m.Client.Sys().UnmountWithContext(context.Background(), m.Path) })
	return m
}

// MountApisig adds the plugin to a Vault that does not have it yet, and mounts it at apisig/, where the examples look
// for it.
func (v *Server) MountApisig(t *testing.T) *Mount {
	t.Helper()
	require.NoError(t, v.AddPlugin())
	require.NoError(t, v.Register(PluginName, PluginName, backend.Version))
	m := v.Unmounted(t, "apisig")
	m.Enable(PluginName, backend.Version)
	return m
}

// In is the mount in a subtest, which ends where a requirement does not hold.
func (m *Mount) In(t *testing.T) *Mount {
	t.Helper()
	in := *m
	in.T = t
	return &in
}

// WithRules is the mount as seen by a token that has one policy.
func (m *Mount) WithRules(t *testing.T, policy, rules string) *Mount {
	t.Helper()
	require.NoError(t, m.Client.Sys().PutPolicyWithContext(t.Context(), policy, rules))
	request := &api.TokenCreateRequest{Policies: []string{policy}}
	token, err := m.Client.Auth().Token().CreateWithContext(t.Context(), request)
	require.NoError(t, err)
	limited := m.In(t)
	limited.Client, err = m.Server.NewClient(token.Auth.ClientToken)
	require.NoError(t, err)
	return limited
}

// Unmounted has the stand-ins for a mount that the test, or a script that it runs, enables itself.
func (v *Server) Unmounted(t *testing.T, path string) *Mount {
	t.Helper()
	client, err := v.NewClient(v.Client.Token())
	require.NoError(t, err)
	m := &Mount{T: t, Server: v, Client: client, Path: path}
	m.Vendor, m.URL = startSandbox(t)
	return m
}

// Enable enables a version of a plugin at the mount's path. Declared logins may go to loopback, where the stand-ins are.
func (m *Mount) Enable(plugin, version string) {
	m.T.Helper()
	require.NoError(m.T, m.Client.Sys().MountWithContext(m.T.Context(), m.Path, &api.MountInput{
		Type:    plugin,
		Config:  api.MountConfigInput{PluginVersion: version},
		Options: map[string]string{"loopback_logins": "true"},
	}))
}

// Request sends any request to the mount. It returns the status and the answer, which is nil for 204, or the text of
// the errors or of an answer that is not JSON.
func (m *Mount) Request(method, path string, body any, query ...string) (int, *api.Secret, string) {
	m.T.Helper()
	req := m.Client.NewRequest(method, "/v1/"+m.Path+"/"+path)
	for i := 0; i < len(query); i += 2 {
		req.Params.Add(query[i], query[i+1])
	}
	switch typed := body.(type) {
	case nil:
	case string:
		req.BodyBytes = []byte(typed)
	default:
		encoded, err := json.Marshal(typed)
		require.NoError(m.T, err)
		req.BodyBytes = encoded
	}
	if method == http.MethodPatch {
		req.Headers.Set("Content-Type", "application/merge-patch+json")
	}
	resp, err := m.Client.RawRequestWithContext(m.T.Context(), req) //nolint:staticcheck // only this sends anything
	if failure, is := errors.AsType[*api.ResponseError](err); is {
		return failure.StatusCode, nil, strings.Join(failure.Errors, "\n")
	}
	require.NoError(m.T, err)
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return resp.StatusCode, nil, ""
	}
	if resp.Header.Get("Content-Type") != "application/json" {
		text, err := io.ReadAll(resp.Body)
		require.NoError(m.T, err)
		return resp.StatusCode, nil, string(text)
	}
	secret, err := api.ParseSecret(resp.Body)
	require.NoError(m.T, err)
	return resp.StatusCode, secret, ""
}

// Read is a GET that succeeds.
func (m *Mount) Read(path string, query ...string) *api.Secret {
	m.T.Helper()
	status, secret, text := m.Request(http.MethodGet, path, nil, query...)
	require.Equal(m.T, http.StatusOK, status, "%s: %s", path, text)
	return secret
}

// Write is a PUT that succeeds, without a warning.
func (m *Mount) Write(path string, body Values) {
	m.T.Helper()
	status, _, text := m.Request(http.MethodPut, path, body)
	require.Equal(m.T, http.StatusNoContent, status, "%s: %s", path, text)
}

// Leases lists those of config avanan/us.
func (m *Mount) Leases() []any {
	m.T.Helper()
	return m.LeasesOf("avanan")
}

// LeasesOf lists those of a vendor's config us.
func (m *Mount) LeasesOf(vendor string) []any {
	m.T.Helper()
	listed, err := m.Client.Logical().ListWithContext(m.T.Context(), "sys/leases/lookup/"+m.Path+"/creds/"+vendor+"/us")
	require.NoError(m.T, err)
	if listed == nil {
		return nil
	}
	keys, _ := listed.Data["keys"].([]any)
	return keys
}

// RequireLeased requires that Vault knows the lease of an answer.
func (m *Mount) RequireLeased(secret *api.Secret) {
	m.T.Helper()
	found, err := m.Client.Sys().LookupWithContext(m.T.Context(), secret.LeaseID)
	require.NoError(m.T, err)
	require.NotEmpty(m.T, found.Data["expire_time"])
}

// Revoke revokes the leases of answers, and waits for the engine.
func (m *Mount) Revoke(secrets ...*api.Secret) {
	m.T.Helper()
	for _, secret := range secrets {
		revoke := &api.RevokeOptions{LeaseID: secret.LeaseID, Sync: true}
		require.NoError(m.T, m.Client.Sys().RevokeWithOptionsWithContext(m.T.Context(), revoke))
	}
}

// RevokeAll revokes all leases below a path of the mount, and waits for the engine.
func (m *Mount) RevokeAll(path string) {
	m.T.Helper()
	revoke := &api.RevokeOptions{LeaseID: m.Path + "/" + path, Prefix: true, Sync: true}
	require.NoError(m.T, m.Client.Sys().RevokeWithOptionsWithContext(m.T.Context(), revoke))
}

// IrrevocableLeases are the leases of the mount that Vault has given up on.
func (m *Mount) IrrevocableLeases() []any {
	m.T.Helper()
	irrevocable := map[string][]string{"type": {"irrevocable"}}
	listed, err := m.Client.Logical().ReadWithDataWithContext(m.T.Context(), "sys/leases", irrevocable)
	require.NoError(m.T, err)
	found, _ := listed.Data["leases"].([]any)
	var ours []any
	for _, lease := range found {
		if fields, is := lease.(Values); is && strings.HasPrefix(fields["lease_id"].(string), m.Path) {
			ours = append(ours, lease)
		}
	}
	return ours
}
