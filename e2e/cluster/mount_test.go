package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// mount is the engine with what the tests of this package do to it.
type mount struct{ *harness.Mount }

// configs are the answers to reads of all configs.
func (m mount) configs() values {
	m.T.Helper()
	configs := values{}
	for _, vendor := range []string{"pave", "avanan", "custom"} {
		listed, err := m.Client.Logical().ListWithContext(m.T.Context(), m.Path+"/config/"+vendor)
		require.NoError(m.T, err)
		for _, name := range listed.Data["keys"].([]any) {
			config := "config/" + vendor + "/" + name.(string)
			configs[config] = m.Read(config).Data
		}
	}
	return configs
}

// write writes a config of a vendor whose headers are signed, and of two whose tokens are shared. One of these has a
// declared login.
func (m mount) write() {
	m.T.Helper()
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	m.Write("config/custom/us", m.OAuthValues())
}

// works reads headers, tokens and signatures, calls the vendors with them, and returns the tokens.
func (m mount) works() []string {
	m.T.Helper()
	require.Equal(m.T, http.StatusOK, m.Call(m.URL+"/v1/sessions", m.Read("creds/pave/main").Data["headers"]))
	token := m.Read("creds/avanan/us").Data["token"].(string)
	require.True(m.T, m.Vendor.Living(token), "the vendor knows the JWT")
	signed := m.Read("sign/avanan/us", "request_string", "/v1.0/scopes")
	require.Equal(m.T, http.StatusOK, m.Call(m.URL+"/v1.0/scopes", signed.Data["headers"]))
	both := values{"request_strings": []string{"/v1.0/event/1", "/v1.0/event/2"}}
	status, batch, text := m.Request(http.MethodPut, "sign/avanan/us/batch", both)
	require.Equal(m.T, http.StatusOK, status, text)
	for _, result := range batch.Data["results"].([]any) {
		signed := result.(values)
		require.Equal(m.T, http.StatusOK, m.Call(signed["url"].(string), signed["headers"]))
	}
	declared := m.Read("creds/custom/us")
	require.Equal(m.T, http.StatusOK, m.Call(m.URL+"/oauth2/v1/orders", declared.Data["headers"]))
	return []string{token, harness.Token(declared)}
}

// underLoad makes a change while readers read everything and retry what fails, and waits until they are answered again.
// It returns the leases that they got, and the longest time in which no request was answered.
func (m mount) underLoad(change func()) (leases []string, outage time.Duration) {
	m.T.Helper()
	const readers = 4
	var (
		mu       sync.Mutex
		rounds   int // without a failure
		answered = time.Now()
		faults   = map[string]bool{} // failures that a missing leader does not explain
	)
	leaderless := []int{http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable}
	read := func(path string, query map[string][]string) bool {
		secret, err := m.Client.Logical().ReadWithDataWithContext(m.T.Context(), m.Path+"/"+path, query)
		mu.Lock()
		defer mu.Unlock()
		if failure, is := errors.AsType[*api.ResponseError](err); is && !slices.Contains(leaderless, failure.StatusCode) {
			faults[fmt.Sprintf("%s: %d %v", path, failure.StatusCode, failure.Errors)] = true
		}
		if err == nil && secret == nil {
			faults[path+": the engine is not there"] = true
		}
		if err != nil || secret == nil {
			return false
		}
		outage, answered = max(outage, time.Since(answered)), time.Now()
		if secret.LeaseID != "" {
			leases = append(leases, secret.LeaseID)
		}
		return true
	}
	done := make(chan struct{})
	var all sync.WaitGroup
	for range readers {
		all.Go(func() {
			for {
				if read("creds/pave/main", nil) && read("creds/avanan/us", nil) && read("creds/custom/us", nil) &&
					read("sign/avanan/us", map[string][]string{"request_string": {"/v1.0/scopes"}}) {
					mu.Lock()
					rounds++
					mu.Unlock()
				}
				// Not faster, so that the leases can be revoked soon.
				select {
				case <-done:
					return
				case <-time.After(50 * time.Millisecond):
				}
			}
		})
	}
	more := func(what string) {
		mu.Lock()
		enough := rounds + 10*readers
		mu.Unlock()
		harness.Eventually(m.T, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return rounds >= enough
		}, what)
	}
	func() {
		// Deferred, since the waiting below may end the test.
		defer all.Wait()
		defer close(done)
		more("readers before the change")
		change()
		more("readers after the change")
	}()
	require.Empty(m.T, faults)
	return leases, outage
}

// leases lists those of the configs us.
func (m mount) leases() []any {
	m.T.Helper()
	return slices.Concat(m.Leases(), m.LeasesOf("custom"))
}

// revokeAll revokes every lease of the configs us.
func (m mount) revokeAll() {
	m.T.Helper()
	m.RevokeAll("creds")
	require.Empty(m.T, m.leases())
	require.Empty(m.T, m.IrrevocableLeases())
}

// beginHandshake makes the engine wait, with the longest request_timeout, for a vendor that does not answer. No reader
// is left waiting, as in a renewal.
func (m mount) beginHandshake() {
	m.T.Helper()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(m.T, err)
	m.T.Cleanup(func() { _ = silent.Close() })
	m.Write("config/avanan/silent", harness.With(m.AvananValues(), values{
		"base_url":        "http://" + silent.Addr().String(),
		"verify":          false,
		"date_format":     "zoneless",
		"request_timeout": 30,
	}))
	ctx, giveUp := context.WithCancel(m.T.Context())
	var reader sync.WaitGroup
	reader.Go(func() { _, _ = m.Client.Logical().ReadWithContext(ctx, m.Path+"/creds/avanan/silent") })
	require.NoError(m.T, silent.(*net.TCPListener).SetDeadline(time.Now().Add(time.Minute)))
	connection, err := silent.Accept()
	giveUp()
	reader.Wait()
	require.NoError(m.T, err)
	m.T.Cleanup(func() { _ = connection.Close() })
}

// setTTL writes the ttl that creds/pave/main answers with.
func (m mount) setTTL(ttl string) {
	m.T.Helper()
	m.Write("config/pave/main", values{"ttl": ttl})
	m.hasTTL(ttl)
}

func (m mount) hasTTL(ttl string) {
	m.T.Helper()
	m.Server.Soon(m.T, func() bool { return m.Read("creds/pave/main").Data["ttl"] == json.Number(ttl) }, "ttl is "+ttl)
}

// rotate changes the secret at the vendors whose tokens are shared, and in their configs.
func (m mount) rotate(secret string) {
	m.T.Helper()
	m.accept(secret, secret)
	m.Write("config/avanan/us", values{"secret_key": secret, "base_url": m.URL})
	m.Write("config/custom/us", harness.With(m.OAuthValues(), values{"client_secret": secret}))
}

// accept changes the secrets that the vendors take.
func (m mount) accept(avanan, oauth string) {
	m.Vendor.Change(func(b *sandbox.Behaviour) { b.AvananSecretKey, b.OAuthClientSecret = avanan, oauth })
}

// answers waits until a read has a status.
func (m mount) answers(path string, status int) {
	m.T.Helper()
	harness.Eventually(m.T, func() bool {
		got, _, _ := m.Request(http.MethodGet, path, nil)
		return got == status
	}, path+" has status "+http.StatusText(status))
}
