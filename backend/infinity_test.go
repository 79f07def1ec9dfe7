package backend

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/infinity"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

func TestCredsInfinityAnswer(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/infinity/us", m.infinityValues())
	for _, operation := range []logical.Operation{logical.ReadOperation, logical.UpdateOperation} {
		resp, _, text := m.handle(operation, "creds/infinity/us", nil)
		require.Empty(t, text)
		token, id := resp.Data["token"].(string), fmt.Sprintf("00000000-0000-4000-8000-%012d", m.ids.Load())
		require.Equal(t, values{
			"token":            token,
			"headers":          map[string]string{"Authorization": "Bearer " + token, "x-av-req-id": id},
			"header_lines":     "Authorization: Bearer " + token + "\nx-av-req-id: " + id + "\n",
			"per_call_headers": []string{"x-av-req-id"},
			"region":           "us",
			"gateway":          m.url,
			"base_url":         m.url + "/app/hec-api",
			"expires_at":       "2026-01-02T03:34:05Z",
		}, resp.Data)
		require.Equal(t, 29*time.Minute, resp.Secret.TTL)
		require.False(t, resp.Secret.Renewable)
		require.Equal(t, values{"secret_type": "infinity_token", "config": "us"}, resp.Secret.InternalData)
		m.revoke(resp)
	}
	require.Equal(t, 1, m.vendor.Logins(), "the token that the write was tried with is shared")
}

// A thousand cold readers cost one login, each with a request id of its own, and the portal accepts their calls.
func TestInfinityReadersShareOneLogin(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/infinity/us", with(m.infinityValues(), values{"verify": false}))
	var readers sync.WaitGroup
	var ids sync.Map
	var distinct atomic.Int64
	for range 1000 {
		readers.Go(func() {
			resp, err := m.HandleRequest(t.Context(), m.request(logical.ReadOperation, "creds/infinity/us", nil))
			if err != nil || resp.IsError() {
				t.Error(resp, err)
				return
			}
			if _, before := ids.LoadOrStore(resp.Data["headers"].(map[string]string)["x-av-req-id"], true); !before {
				distinct.Add(1)
			}
		})
	}
	readers.Wait()
	require.Equal(t, 1, m.vendor.Logins())
	require.Equal(t, int64(1000), distinct.Load())
	answer := m.read("creds/infinity/us")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, answer["base_url"].(string)+"/v1.0/scopes",
		http.NoBody)
	require.NoError(t, err)
	for name, value := range answer["headers"].(map[string]string) {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
}

// A day of reads every ten seconds of a token that lives for half an hour: at most 80 logins, and no reader waits after
// the first. The portal is there only while Vault makes its calls, so a reader that needed it would get a warning.
func TestDayOfInfinityReadsNeedsEightyLogins(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/infinity/us", with(m.infinityValues(), values{"verify": false}))
	m.read("creds/infinity/us")
	for range 24 * 60 {
		m.fault(sandbox.Break)
		for range 6 {
			m.advance(10 * time.Second)
			resp, _, text := m.handle(logical.ReadOperation, "creds/infinity/us", nil)
			require.Empty(t, text)
			require.Empty(t, resp.Warnings)
		}
		m.fault(sandbox.None)
		m.tick()
	}
	t.Log("logins:", m.vendor.Logins())
	require.LessOrEqual(t, m.vendor.Logins(), 80)
	require.GreaterOrEqual(t, m.vendor.Logins(), 70)
}

// Region and base_url decide where the key is sent; the "Authentication URL" of a key is accepted as it is pasted.
func TestInfinityAddress(t *testing.T) {
	t.Parallel()
	const gateway = "https://gateway.example"
	for title, test := range map[string]struct {
		name, region, baseURL     string
		wantRegion, want, address string
	}{
		"named us": {
			name:       "us",
			wantRegion: "us",
			address:    "https://cloudinfra-gw-us.portal.checkpoint.com",
		},
		"named ae": {
			name:       "ae",
			wantRegion: "ae",
			address:    "https://cloudinfra-gw.me.portal.checkpoint.com",
		},
		"named otherwise, of a region": {
			name:       "prod",
			region:     "eu",
			wantRegion: "eu",
			address:    "https://cloudinfra-gw.portal.checkpoint.com",
		},
		"as it is pasted": {
			name:    "prod",
			baseURL: gateway + "/auth/external",
			want:    gateway,
			address: gateway,
		},
		"as it is pasted, with a slash": {
			name:    "prod",
			baseURL: gateway + "/auth/external/",
			want:    gateway,
			address: gateway,
		},
		"with a slash": {
			name:    "prod",
			baseURL: gateway + "/",
			want:    gateway,
			address: gateway,
		},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			m, path := newMount(t), "config/infinity/"+test.name
			m.write(path, values{
				"region":     test.region,
				"base_url":   test.baseURL,
				"client_id":  "id",
				"access_key": "key",
				"verify":     false,
			})
			require.Equal(t, test.wantRegion, m.read(path)["region"])
			require.Equal(t, test.want, m.read(path)["base_url"])
			opened := m.load("infinity/" + test.name).account(t)
			require.Equal(t, test.address, opened.Creds.(infinity.Account).Gateway)
		})
	}
	homeless := values{"client_id": "id", "access_key": "key"}
	require.Contains(t, newMount(t).refused(logical.UpdateOperation, "config/infinity/other", homeless),
		"region is required if the config's name is not a region: one of ae, au, ca, eu, in, uk, us; or base_url")
}

// The key itself travels, so a write that contains it must not rely on a stored address or certificate. One that does
// is rejected before anything is sent, whether it is verified or not, and whatever the address looks like.
func TestInfinityKeyIsNotSentToAStoredAddress(t *testing.T) {
	t.Parallel()
	const portal = "https://cloudinfra-gw-us.portal.checkpoint.com"
	for name, stored := range map[string]values{
		"a host":                nil,
		"looks like the portal": {"base_url": portal + ".example"},
		"a certificate":         {"base_url": "", "ca_cert": testCertificate},
		"with a path":           {"base_url": portal + "/x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/infinity/us", with(with(m.infinityValues(), values{"verify": false}), stored))
			before := m.stored()
			for _, verify := range []bool{true, false} {
				change := values{"access_key": "canary-new", "verify": verify}
				text := m.refused(logical.UpdateOperation, "config/infinity/us", change)
				require.Contains(t, text, "this write relies on the stored")
				require.Contains(t, text, "name it again in the same write")
				require.NotContains(t, text, "canary")
			}
			require.Equal(t, before, m.stored())
			require.Zero(t, m.vendor.Logins())
		})
	}
	m := newMount(t)
	m.write("config/infinity/us", m.infinityValues())
	m.write("config/infinity/us", values{"access_key": "sandbox-infinity-key", "base_url": m.url})
	m.write("config/infinity/eu", values{
		"client_id":  "id",
		"access_key": "key",
		"base_url":   "https://cloudinfra-gw.portal.checkpoint.com",
		"verify":     false,
	})
	m.write("config/infinity/eu", values{"access_key": "new", "verify": false})
	for field, value := range map[string]string{"base_url": "https://other.example", "client_id": "other"} {
		require.Contains(t, m.refused(logical.PatchOperation, "config/infinity/eu", values{field: value}),
			"changing "+field+" needs access_key")
	}
}

// success: false with status 200 is a refusal, HTML with 200 is nonsense; neither shows anything of the answer or of
// the key.
func TestInfinityFailuresWithStatus200(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body   string
		status int
		text   string
	}{
		"a failure": {
			body:   `{"success":false,"message":"canary-of-the-vendor"}`,
			status: http.StatusBadRequest,
			text:   "it rejects the credentials; check client_id, access_key, region or base_url",
		},
		"a web page": {
			body:   `<html>canary-of-the-vendor`,
			status: http.StatusBadGateway,
			text:   "the body is not the JSON of a login (content type text/html)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, test.body)
			}))
			t.Cleanup(server.Close)
			m := newMount(t)
			m.write("config/infinity/us", values{
				"client_id":  "id",
				"access_key": "canary-key",
				"base_url":   server.URL,
				"verify":     false,
			})
			_, status, text := m.handle(logical.ReadOperation, "creds/infinity/us", nil)
			require.Equal(t, test.status, status, text)
			require.Contains(t, text, "config/infinity/us: ")
			require.Contains(t, text, "answered with status 200: "+test.text)
			m.Cleanup(t.Context())
			require.NotContains(t, text+m.logged(), "canary")
		})
	}
}

// Check and status work as for every vendor with tokens.
func TestInfinityCheckAndStatus(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/infinity/us", m.infinityValues())
	old := m.read("creds/infinity/us")["token"]
	data := m.check("infinity/us").Data
	delete(data, "duration_ms")
	require.Equal(t, values{
		"verified_at":  "2026-01-02T03:04:05Z",
		"status":       200,
		"clock_offset": 0,
		"expires_at":   "2026-01-02T03:34:05Z",
	}, data)
	require.NotEqual(t, old, m.read("creds/infinity/us")["token"])
	require.Equal(t, "2026-01-02T03:34:05Z", m.read("status/infinity/us")["token_expires_at"])
	require.Equal(t, 2, m.read("status/infinity/us")["exchanges"])
}
