package backend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/helper/testhelpers/schema"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/apis"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// began is the time at which the clock of every mount starts: 1767323045 in Unix seconds, and a fraction.
var began = time.Date(2026, 1, 2, 3, 4, 5, 123_456_789, time.UTC)

// mount is a mounted backend with its own clock, numbered ids, and a sandbox with the same clock.
type mount struct {
	*backend
	t       *testing.T
	storage *flakyStorage
	vendor  *sandbox.Sandbox
	url     string
	log     *syncBuffer

	clock *atomic.Int64 // nanoseconds since began
	ids   *atomic.Int64
}

func newMount(t *testing.T) *mount {
	t.Helper()
	return newMountOf(t, apis.All())
}

// newMountOf makes a mount with the given vendors.
func newMountOf(t *testing.T, vendors []*api.API) *mount {
	t.Helper()
	m := emptyMount(t)
	behaviour := sandbox.Default()
	behaviour.RetryAfter = 0 // exchanges wait for it, and tests need not
	m.vendor = sandbox.New(behaviour, m.time, io.Discard)
	server := httptest.NewServer(m.vendor)
	t.Cleanup(server.Close)
	m.url = server.URL
	m.backend = newBackend(vendors, m.time, func() (string, error) {
		return fmt.Sprintf("00000000-0000-4000-8000-%012d", m.ids.Add(1)), nil
	})
	m.client.Pause = time.Millisecond
	system := logical.TestSystemView()
	system.PluginEnvironment = &logical.PluginEnvironment{VaultVersion: "1.21.1"}
	require.NoError(t, m.Setup(t.Context(), &logical.BackendConfig{
		Logger:      hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: m.log}),
		System:      system,
		StorageView: m.storage,
		Config:      map[string]string{"loopback_logins": "true"}, // as Vault passes the options of a mount
	}))
	t.Cleanup(func() { m.Cleanup(context.Background()) })
	return m
}

// emptyMount is a mount without a backend and a vendor.
func emptyMount(t *testing.T) *mount {
	t.Helper()
	return &mount{
		t:       t,
		storage: &flakyStorage{Storage: &logical.InmemStorage{}},
		log:     &syncBuffer{},
		clock:   new(atomic.Int64),
		ids:     new(atomic.Int64),
	}
}

// in is the mount in a subtest, which fails by itself.
func (m *mount) in(t *testing.T) *mount {
	t.Helper()
	inside := *m
	inside.t = t
	return &inside
}

// syncBuffer is a bytes.Buffer that goroutines can share.
type syncBuffer struct {
	mu      sync.Mutex
	content bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.content.Write(p)
}

// logged returns everything that the mount has logged.
func (m *mount) logged() string {
	m.log.mu.Lock()
	defer m.log.mu.Unlock()
	return m.log.content.String()
}

// load reads a config from storage.
func (m *mount) load(path string) stored {
	m.t.Helper()
	found, err := m.requestFor(path).load(m.t.Context())
	require.NoError(m.t, err)
	return found
}

// requestFor is one for a config that is named as in "pave/main".
func (m *mount) requestFor(config string) *request {
	vendor, name, _ := strings.Cut(config, "/")
	return &request{Request: m.request(logical.ReadOperation, "creds/"+config, nil), store: m.store(vendor), name: name}
}

// hasToken reports whether the readers of a config share a token.
func (m *mount) hasToken(config string) bool {
	m.t.Helper()
	current, err := m.requestFor(config).usable(m.t.Context())
	require.NoError(m.t, err)
	return current.token != nil
}

// store returns the store of a vendor.
func (m *mount) store(vendor string) *store {
	return m.stores[slices.IndexFunc(m.stores, func(s *store) bool { return s.api.Name == vendor })]
}

func (m *mount) time() time.Time          { return began.Add(time.Duration(m.clock.Load())) }
func (m *mount) advance(by time.Duration) { m.clock.Add(int64(by)) }
func (m *mount) fault(fault sandbox.Fault) {
	m.vendor.Change(func(b *sandbox.Behaviour) { b.Fault = fault })
}

func (m *mount) tokenLife(life time.Duration) {
	m.vendor.Change(func(b *sandbox.Behaviour) { b.TokenLife = life })
}
func (m *mount) read(path string) values     { return m.must(logical.ReadOperation, path, nil) }
func (m *mount) write(path string, v values) { m.must(logical.UpdateOperation, path, v) }
func (m *mount) patch(path string, v values) { m.must(logical.PatchOperation, path, v) }

// values are the parameters of a request or the data of an answer.
type values = map[string]any

// customValues are a whole config of a declared API, which is not called.
func (m *mount) customValues() values {
	return values{
		"scheme":             customScheme1,
		"base_url":           "https://api.example",
		"application_key":    "key1",
		"consumer_key":       "consumer",
		"application_secret": "canary-custom-secret",
	}
}

// paveValues and avananValues are complete configs for the sandbox.
func (m *mount) paveValues() values {
	return values{
		"username":   "acme",
		"api_key":    "09bc91b9-76e5-4256-8e4f-7a41c1408014",
		"api_secret": "sandbox-pave-secret",
		"base_url":   m.url,
	}
}

func (m *mount) avananValues() values {
	return values{"region": "us", "app_id": "US:sandbox", "secret_key": "sandbox-avanan-secret", "base_url": m.url}
}

// infinityValues are a whole config for the sandbox's Infinity Portal.
func (m *mount) infinityValues() values {
	return values{"region": "us", "client_id": "sandbox-client", "access_key": "sandbox-infinity-key", "base_url": m.url}
}

// with returns base with the values of over, which win.
func with(base, over values) values {
	all := maps.Clone(base)
	maps.Copy(all, over)
	return all
}

// without returns a map without some of its names.
func without(base values, names ...string) values {
	rest := maps.Clone(base)
	for _, name := range names {
		delete(rest, name)
	}
	return rest
}

// request makes a request. Its data is decoded from JSON, as Vault's is.
func (m *mount) request(operation logical.Operation, path string, data values) *logical.Request {
	m.t.Helper()
	encoded, err := json.Marshal(data)
	require.NoError(m.t, err)
	var decoded values
	require.NoError(m.t, json.Unmarshal(encoded, &decoded))
	return &logical.Request{
		Operation: operation, Path: path, Data: decoded, Storage: m.storage, MountPoint: "apisig/",
	}
}

// handle handles a request. It returns the answer, the status with which Vault's HTTP API sends it, and the text of an
// error. It checks every answer against the schema that the path declares.
func (m *mount) handle(
	operation logical.Operation, path string, data values,
) (resp *logical.Response, status int, text string) {
	m.t.Helper()
	req := m.request(operation, path, data)
	resp, err := m.HandleRequest(m.t.Context(), req)
	if err != nil {
		require.Nil(m.t, resp, "both an answer and an error")
	}
	status, httpErr := logical.RespondErrorCommon(req, resp, err)
	if httpErr != nil {
		logical.AdjustErrorStatusCode(&status, httpErr)
		return resp, status, httpErr.Error()
	}
	if status == http.StatusNotFound {
		return resp, status, ""
	}
	status = http.StatusOK
	if resp == nil {
		status = http.StatusNoContent
	}
	route := m.Route(path)
	responses := route.Operations[operation].Properties().Responses[status]
	require.NotEmpty(m.t, responses, "%s %s declares no answer with status %d", operation, path, status)
	// Only a config that declares fields of its own returns what its path does not.
	strict := !route.TakesArbitraryInput || !strings.HasPrefix(path, configPrefix)
	schema.ValidateResponse(m.t, &responses[0], resp, strict)
	return resp, status, ""
}

// must handles a request that must succeed. It returns the data of the answer.
func (m *mount) must(operation logical.Operation, path string, data values) values {
	m.t.Helper()
	resp, _, text := m.handle(operation, path, data)
	require.Empty(m.t, text, "%s %s", operation, path)
	if resp == nil {
		return nil
	}
	return resp.Data
}

// refused handles a request that must get 400. It returns the text of the error.
func (m *mount) refused(operation logical.Operation, path string, data values) string {
	m.t.Helper()
	_, status, text := m.handle(operation, path, data)
	require.Equal(m.t, http.StatusBadRequest, status, "%s %s: %s", operation, path, text)
	return text
}

// put stores an entry, as an earlier version or another node would.
func (m *mount) put(key string, entry []byte) {
	m.t.Helper()
	require.NoError(m.t, m.storage.Put(m.t.Context(), &logical.StorageEntry{Key: key, Value: entry}))
}

// stored returns all storage entries by key, so that tests can see what changed.
func (m *mount) stored() map[string]string {
	m.t.Helper()
	entries := map[string]string{}
	require.NoError(m.t, logical.ScanView(m.t.Context(), m.storage.Storage, func(key string) {
		entry, err := m.storage.Storage.Get(m.t.Context(), key)
		require.NoError(m.t, err)
		entries[key] = string(entry.Value)
	}))
	return entries
}

// flakyStorage fails for one verb. It can also call a function between two steps of a request.
type flakyStorage struct {
	logical.Storage
	verb atomic.Value // string
	// If one of these is set, the next call of its verb calls it, once.
	afterGet, beforePut, beforeDelete atomic.Pointer[func()]
}

func once(hook *atomic.Pointer[func()]) {
	if call := hook.Swap(nil); call != nil {
		(*call)()
	}
}

var errStorage = errors.New("the storage is out of order")

func (s *flakyStorage) failing(verb string) bool { return s.verb.Load() == verb }

func (s *flakyStorage) Get(ctx context.Context, key string) (*logical.StorageEntry, error) {
	if s.failing("get") {
		return nil, errStorage
	}
	entry, err := s.Storage.Get(ctx, key)
	once(&s.afterGet)
	return entry, err
}

func (s *flakyStorage) Put(ctx context.Context, entry *logical.StorageEntry) error {
	if s.failing("put") {
		return errStorage
	}
	once(&s.beforePut)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.Storage.Put(ctx, entry)
}

func (s *flakyStorage) Delete(ctx context.Context, key string) error {
	if s.failing("delete") {
		return errStorage
	}
	once(&s.beforeDelete)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.Storage.Delete(ctx, key)
}

func (s *flakyStorage) List(ctx context.Context, prefix string) ([]string, error) {
	if s.failing("list") {
		return nil, errStorage
	}
	return s.Storage.List(ctx, prefix)
}

func TestFactorySetsUp(t *testing.T) {
	t.Parallel()
	b, err := Factory(t.Context(), logical.TestBackendConfig())
	require.NoError(t, err)
	require.Equal(t, logical.TypeLogical, b.Type())
	require.NoError(t, b.Initialize(t.Context(), &logical.InitializationRequest{Storage: &logical.InmemStorage{}}))
	require.Regexp(t, `^v\d+\.\d+\.\d+`, b.(logical.PluginVersioner).PluginVersion().Version)
	b.Cleanup(t.Context())
}

// alwaysOfDocuments are the fields that every answer of an API with documents has; others depend on the document.
var alwaysOfDocuments = []string{"scheme", "base_url", "expires_at", "verified_at", "keys", "results"}

// Every path, operation and field has a help text, and every operation declares its answers.
func TestEveryPathIsDocumented(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	require.NotEmpty(t, m.Help)
	for _, path := range m.Paths {
		t.Run(path.Pattern, func(t *testing.T) {
			t.Parallel()
			m.in(t).requireDocumented(path)
		})
	}
	for _, s := range m.stores {
		for _, f := range s.api.Form.Fields {
			if f.Kind == api.Secret {
				require.True(t, m.Route("config/" + s.api.Name + "/x").Fields[f.Name].DisplayAttrs.Sensitive, f.Name)
			}
		}
	}
}

func (m *mount) requireDocumented(path *framework.Path) {
	m.t.Helper()
	require.NotEmpty(m.t, path.HelpSynopsis)
	require.NotEmpty(m.t, path.HelpDescription)
	require.Equal(m.t, "apisig", path.DisplayAttrs.OperationPrefix)
	for name, field := range path.Fields {
		require.NotEmpty(m.t, field.Description, name)
	}
	pattern := strings.TrimPrefix(path.Pattern, "^") // which the framework adds when it first routes a request
	writing := []logical.Operation{
		logical.CreateOperation, logical.UpdateOperation, logical.PatchOperation, logical.DeleteOperation,
	}
	storing := strings.HasPrefix(pattern, "config/") || strings.HasPrefix(pattern, "check/")
	leases := slices.ContainsFunc(m.stores, func(s *store) bool {
		return s.api.Lease != nil && s.api.Document == nil && strings.HasPrefix(pattern, "creds/"+s.api.Name+"/")
	})
	byDocument := slices.ContainsFunc(m.stores, func(s *store) bool {
		return s.api.Document != nil && strings.Contains(pattern, "/"+s.api.Name+"/")
	})
	for operation, handler := range path.Operations {
		properties := handler.Properties()
		require.NotEmpty(m.t, properties.Summary, operation)
		require.NotEmpty(m.t, properties.Responses, operation)
		writes := storing && slices.Contains(writing, operation)
		require.Equal(m.t, writes || leases, properties.ForwardPerformanceStandby, operation)
		require.Equal(m.t, writes, properties.ForwardPerformanceSecondary, operation)
		for _, responses := range properties.Responses {
			for name, field := range responses[0].Fields {
				require.NotEmpty(m.t, field.Description, "%s answers %s", operation, name)
				optional := slices.Contains([]string{
					"secret_written_at", "secret_expires_at", "formats", "clock_offset",
				}, name)
				optional = optional || (strings.HasPrefix(pattern, "status/") && name != "keys")
				optional = optional || (strings.HasPrefix(pattern, "schemes/") && name == "base_url")
				optional = optional || (byDocument && storing && name == "expires_at")
				optional = optional || (byDocument && !slices.Contains(alwaysOfDocuments, name))
				require.Equal(m.t, !optional, field.Required, "%s answers %s", operation, name)
			}
		}
	}
}

func TestOpenAPIOperationIDsAreUnique(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	req := m.request(logical.HelpOperation, "", values{"requestResponsePrefix": "apisig"})
	resp, err := m.HandleRequest(t.Context(), req)
	require.NoError(t, err)
	document, is := resp.Data["openapi"].(*framework.OASDocument)
	require.True(t, is)
	ids := map[string]bool{}
	for path, item := range document.Paths {
		for _, operation := range []*framework.OASOperation{item.Get, item.Post, item.Patch, item.Delete} {
			if operation != nil {
				require.True(t, strings.HasPrefix(operation.OperationID, "apisig-"), operation.OperationID)
				require.False(t, ids[operation.OperationID], "%s: %s twice", path, operation.OperationID)
				ids[operation.OperationID] = true
			}
		}
	}
	require.Greater(t, len(ids), 8*len(m.stores))
}

// Every storage entry with a secret has a key under a seal-wrapped prefix, and there are no other entries.
func TestSecretsAreStoredUnderSealWrappedPrefix(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	var secrets []string
	for _, s := range m.stores {
		path, whole := s.api.Name+"/us", rowOf(t, s.api).whole(m)
		m.write("config/"+path, whole)
		if m.hasToken(path) {
			m.read("creds/" + path)
		}
		for _, f := range m.load(path).values.Fields() {
			if f.Kind == api.Secret {
				text, _ := whole[f.Name].(string)
				secrets = append(secrets, regexp.QuoteMeta(text))
			}
		}
	}
	require.GreaterOrEqual(t, len(secrets), len(m.stores))
	stored := m.stored()
	require.Len(t, stored, len(m.stores))
	for key, value := range stored {
		require.Regexp(t, strings.Join(secrets, "|"), value)
		require.True(t, slices.ContainsFunc(m.SpecialPaths().SealWrapStorage, func(prefix string) bool {
			return strings.HasSuffix(prefix, "/") && strings.HasPrefix(key, prefix)
		}), key)
	}
}

// If storage fails, the request fails with an error, without a panic. Storage and the readers' token stay as they are.
func TestStorageFailureChangesNothing(t *testing.T) {
	t.Parallel()
	scopes, batch := values{"request_string": "/v1.0/scopes"}, values{"request_strings": []string{"/v1.0/scopes"}}
	other := values{"date_format": "zoneless", "secret_key": "sandbox-avanan-secret"}
	for name, test := range map[string]struct {
		verb    string
		request func(*mount) (*logical.Response, error)
	}{
		"read of PAVE's config":   {"get", doing(logical.ReadOperation, "config/pave/main", nil)},
		"read of Avanan's config": {"get", doing(logical.ReadOperation, "config/avanan/us", nil)},
		"cold creds of PAVE":      {"get", cold(doing(logical.ReadOperation, "creds/pave/main", nil))},
		"cold creds of Avanan":    {"get", cold(doing(logical.ReadOperation, "creds/avanan/us", nil))},
		"cold signature":          {"get", cold(doing(logical.ReadOperation, "sign/avanan/us", scopes))},
		"cold batch":              {"get", cold(doing(logical.UpdateOperation, "sign/avanan/us/batch", batch))},
		"read of an update":       {"get", doing(logical.UpdateOperation, "config/pave/main", values{"ttl": 20})},
		"read of a patch":         {"get", doing(logical.PatchOperation, "config/avanan/us", values{"min_ttl": 20})},
		"update":                  {"put", doing(logical.UpdateOperation, "config/pave/main", values{"ttl": 20})},
		"patch":                   {"put", doing(logical.PatchOperation, "config/pave/main", values{"ttl": 20})},
		"verified update":         {"put", doing(logical.UpdateOperation, "config/avanan/us", other)},
		"delete of PAVE's":        {"delete", doing(logical.DeleteOperation, "config/pave/main", nil)},
		"delete of Avanan's":      {"delete", doing(logical.DeleteOperation, "config/avanan/us", nil)},
		"list of PAVE's":          {"list", doing(logical.ListOperation, "config/pave/", nil)},
		"list of Avanan's":        {"list", doing(logical.ListOperation, "config/avanan/", nil)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/pave/main", m.paveValues())
			m.write("config/avanan/us", m.avananValues())
			token, before := m.read("creds/avanan/us")["token"], m.stored()
			m.storage.verb.Store(test.verb)
			resp, err := test.request(m)
			m.storage.verb.Store("")
			require.ErrorIs(t, err, errStorage)
			require.Nil(t, resp)
			require.Equal(t, before, m.stored())
			require.Equal(t, token, m.read("creds/avanan/us")["token"])
			_, _, err = m.HandleExistenceCheck(t.Context(), m.request(logical.UpdateOperation, "config/pave/main", nil))
			require.NoError(t, err)
		})
	}
}

func doing(operation logical.Operation, path string, data values) func(*mount) (*logical.Response, error) {
	return func(m *mount) (*logical.Response, error) {
		return m.HandleRequest(m.t.Context(), m.request(operation, path, data))
	}
}

// cold does something while no config is cached.
func cold(do func(*mount) (*logical.Response, error)) func(*mount) (*logical.Response, error) {
	return func(m *mount) (*logical.Response, error) {
		m.store("pave").entries.doubt("main")
		m.store("avanan").entries.doubt("us")
		return do(m)
	}
}

// A panic in an exchange is an error that does not quote it, and a line in the log. It counts as a failure for the
// hold-off.
func TestPanicInExchangeIsAnError(t *testing.T) {
	t.Parallel()
	exchanges := 0
	m := newMountOf(t, withTokens(func() (token.Token, error) {
		exchanges++
		panic("canary")
	}))
	fails := func(operation logical.Operation, path string, data values, want string) {
		_, status, text := m.handle(operation, path, data)
		require.GreaterOrEqual(t, status, http.StatusInternalServerError, text)
		require.Contains(t, text, want)
		require.NotContains(t, text, "canary")
	}
	const want = "internal error during the exchange with Avanan; see Vault's log"
	fails(logical.UpdateOperation, "config/avanan/us", m.avananValues(), want)
	m.write("config/avanan/us", with(m.avananValues(), values{"verify": false}))
	for range 6 {
		fails(logical.ReadOperation, "creds/avanan/us", nil, want)
	}
	fails(logical.ReadOperation, "creds/avanan/us", nil, "before the next attempt")
	require.Equal(t, 7, exchanges)
	require.Contains(t, m.logged(), "an exchange panicked: vendor=avanan")
	require.NotContains(t, m.logged(), "canary")
}

// account opens a config.
func (s stored) account(t *testing.T) *api.Account {
	t.Helper()
	account, err := s.values.Open()
	require.NoError(t, err)
	return account
}
