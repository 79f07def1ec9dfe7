package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	engine "github.com/apisig/vault-plugin-apisig/backend"
	"github.com/apisig/vault-plugin-apisig/client"
	"github.com/apisig/vault-plugin-apisig/internal/proxy"
	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

const engineConfig = "listen: 127.0.0.1:1\nroutes: {/a: {sign: m/%s, allow: [GET /]}}"

// A configuration takes a sign or batch path where the engine has one, and no other.
func TestConfigTakesTheSignPathsThatTheEngineHas(t *testing.T) {
	t.Parallel()
	mount, err := engine.Factory(t.Context(), logical.TestBackendConfig())
	require.NoError(t, err)
	for _, vendor := range []string{"avanan", "custom", "infinity", "pave"} {
		for _, path := range []string{"sign/" + vendor + "/x", "sign/" + vendor + "/x/batch"} {
			t.Run(path, func(t *testing.T) {
				t.Parallel()
				_, unsupported := mount.HandleRequest(t.Context(), &logical.Request{
					Operation: logical.UpdateOperation, Path: path, Storage: &logical.InmemStorage{},
				})
				_, refused := proxy.Parse("f", fmt.Appendf(nil, engineConfig, path))
				if errors.Is(unsupported, logical.ErrUnsupportedPath) {
					require.ErrorContains(t, refused, strings.Split(path, "/")[1]+" has no ")
					return
				}
				require.NoError(t, refused)
			})
		}
	}
}

// engineOf is the engine, mounted at m, under Vault's API. It counts the requests to each path.
type engineOf struct {
	mount   logical.Backend
	storage logical.InmemStorage

	mu    sync.Mutex
	asked map[string]int
}

func (e *engineOf) update(ctx context.Context, path string, data map[string]any) (*logical.Response, error) {
	return e.mount.HandleRequest(ctx, &logical.Request{
		Operation: logical.UpdateOperation, Path: path, Data: data, MountPoint: "m/", Storage: &e.storage,
	})
}

func (e *engineOf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var data map[string]any
	err := json.NewDecoder(r.Body).Decode(&data)
	path := strings.TrimPrefix(r.URL.Path, "/v1/m/")
	var answer *logical.Response
	if err == nil {
		answer, err = e.update(r.Context(), path, data)
	}
	e.mu.Lock()
	e.asked[path]++
	e.mu.Unlock()
	switch {
	case err != nil && answer == nil:
		w.WriteHeader(http.StatusInternalServerError)
	case answer.IsError():
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]any{"errors": []string{answer.Error().Error()}})
	default:
		_ = json.NewEncoder(w).Encode(map[string]any{"data": answer.Data, "warnings": answer.Warnings})
	}
}

// batchScheme signs the method and the request string, and appends the method to the query. OpenSSL computed the
// example.
const batchScheme = `secrets: {key: {}}
request: {method: {pattern: GET|POST}, request_string: {}}
headers: {X-Signature: 'hex(hmac_sha256(key, method + "\n" + request_string))'}
query: {of: method}
ttl: 60s
examples:
  - secrets: {key: made-up}
    request: {method: GET, request_string: /}
    now: 2026-01-02T03:04:05Z
    want: {X-Signature: 25411248c974c43a5f257c87f96685b3f3304c82cf61c1cd2d33525786960be1}
`

// Calls to a declared API that come in at the same time are signed together, each with its own inputs. One that the
// engine refuses fails alone.
func TestBatchesOfADeclaredAPI(t *testing.T) {
	t.Parallel()
	mount, err := engine.Factory(t.Context(), logical.TestBackendConfig())
	require.NoError(t, err)
	e := &engineOf{mount: mount, asked: map[string]int{}}
	answer, err := e.update(t.Context(), "config/custom/x", map[string]any{
		"scheme": batchScheme, "base_url": "https://api.example/v1", "key": "canary",
	})
	require.NoError(t, err)
	require.False(t, answer.IsError(), answer)
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	made, err := connect(proxy.Vault{Address: server.URL}, nil)
	require.NoError(t, err)
	const path = "sign/custom/x/batch"
	config, err := proxy.Parse("f", fmt.Appendf(nil, engineConfig, path+", send: [method, request_string]"))
	require.NoError(t, err)
	signer := made.Signer(config.Routes[0], nil)

	const calls = 200
	var all sync.WaitGroup
	for i := range calls {
		all.Go(func() {
			method, requestString := []string{"GET", "POST"}[i%2], fmt.Sprint("/orders/", i)
			if i == calls/2 {
				requestString = "/orders/../1"
			}
			parameters := map[string]any{"method": method, "request_string": requestString}
			signed, err := signer.Sign(t.Context(), client.Call{Parameters: parameters})
			if i == calls/2 {
				failed, _ := errors.AsType[*signing.Failure](err)
				if failed.Fault(signing.Call{Parameters: parameters}) != "request_string has a . or .. segment in its path" {
					t.Errorf("%d: %v", i, err)
				}
				return
			}
			hash := hmac.New(sha256.New, []byte("canary"))
			_, _ = hash.Write([]byte(method + "\n" + requestString))
			if err != nil || signed.URL != "https://api.example/v1"+requestString+"?of="+method ||
				signed.BaseURL != "https://api.example/v1" || signed.Query["of"] != method ||
				signed.Headers["X-Signature"] != hex.EncodeToString(hash.Sum(nil)) {
				t.Errorf("%d: %+v, %v", i, signed, err)
			}
		})
	}
	all.Wait()
	require.Len(t, e.asked, 1)
	require.Less(t, e.asked[path], calls/2)
}
