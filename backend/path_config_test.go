package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/apis"
)

func TestConfigListAndDelete(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	for _, vendor := range []string{"pave", "avanan"} {
		_, status, _ := m.handle(logical.ListOperation, "config/"+vendor+"/", nil)
		require.Equal(t, http.StatusNotFound, status)
	}
	for _, name := range []string{"main", "a.b-c_d", "0"} {
		m.write("config/pave/"+name, m.paveValues())
		m.write("config/avanan/"+name, m.avananValues())
	}
	for _, vendor := range []string{"pave", "avanan"} {
		require.Equal(t, []string{"0", "a.b-c_d", "main"}, m.must(logical.ListOperation, "config/"+vendor, nil)["keys"])
		m.must(logical.DeleteOperation, "config/"+vendor+"/main", nil)
		m.must(logical.DeleteOperation, "config/"+vendor+"/main", nil)
		require.Equal(t, []string{"0", "a.b-c_d"}, m.must(logical.ListOperation, "config/"+vendor+"/", nil)["keys"])
		_, status, _ := m.handle(logical.ReadOperation, "config/"+vendor+"/main", nil)
		require.Equal(t, http.StatusNotFound, status)
	}
}

// A name that no config can have gets an error that says what a name is, on every path and without storing anything. A
// name with a slash is another path.
func TestInvalidConfigNamesAreRejected(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	for title, name := range map[string]string{
		"- before":          "-a",
		"- behind":          "a-",
		"a space within":    "a b",
		"a space before":    " a",
		"not ASCII":         "ä",
		"a line feed":       "a\n",
		"a byte 0":          "a\x00b",
		"points":            "..",
		"a comma":           "a,b",
		"an at sign":        "a@b",
		"a colon":           "us:east",
		"a plus":            "a+b",
		"a dollar":          "$a",
		"a point behind":    "a.",
		"an escape":         "a%2fb",
		"long, and a colon": "canary:" + strings.Repeat("x", 300),
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			m := m.in(t)
			for path, operations := range map[string][]logical.Operation{
				"config/pave/%s": {
					logical.CreateOperation, logical.UpdateOperation, logical.PatchOperation, logical.ReadOperation,
					logical.DeleteOperation,
				},
				"config/custom/%s":     {logical.UpdateOperation, logical.ReadOperation},
				"creds/pave/%s":        {logical.ReadOperation, logical.UpdateOperation},
				"sign/avanan/%s":       {logical.ReadOperation, logical.UpdateOperation},
				"sign/avanan/%s/batch": {logical.UpdateOperation},
				"sign/custom/%s":       {logical.UpdateOperation},
				"sign/custom/%s/batch": {logical.UpdateOperation},
				"check/infinity/%s":    {logical.UpdateOperation},
				"status/avanan/%s":     {logical.ReadOperation},
			} {
				for _, operation := range operations {
					req := m.request(operation, fmt.Sprintf(path, name), m.paveValues())
					resp, err := m.HandleRequest(t.Context(), req)
					require.NoError(t, err, "%s %s %q", operation, path, name)
					require.EqualError(t, resp.Error(),
						"no config can have this name: a name has letters, digits and _, and - and . between them")
				}
			}
		})
	}
	for _, path := range []string{
		"config/pave/a/b", "config/pave/a@b/c", "config/other/a@b", "other", "creds/a@b", "sign/avanan//batch",
	} {
		t.Run("other path "+path, func(t *testing.T) {
			t.Parallel()
			_, err := m.HandleRequest(t.Context(), m.in(t).request(logical.UpdateOperation, path, m.paveValues()))
			require.ErrorIs(t, err, logical.ErrUnsupportedPath)
		})
	}
	_, err := m.HandleRequest(t.Context(), m.request(logical.HelpOperation, "config/pave/a@b", nil))
	require.ErrorIs(t, err, logical.ErrUnsupportedPath)
	long := strings.Repeat("a", 300)
	require.Contains(t, m.refused(logical.UpdateOperation, "config/pave/"+long, m.paveValues()), "name is too long")
	require.Contains(t, m.refused(logical.UpdateOperation, "config/avanan/"+long, m.avananValues()), "name is too long")
	require.Empty(t, m.stored())
}

// LIST of config and status names the vendors, as prefixes, whether there are configs or not.
func TestVendorsAreListed(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	var want []string
	for _, a := range apis.All() {
		want = append(want, a.Name+"/")
	}
	slices.Sort(want)
	require.Subset(t, want, []string{"avanan/", "custom/", "infinity/", "pave/"})
	for _, path := range []string{"config", "config/", "status", "status/"} {
		require.Equal(t, want, m.must(logical.ListOperation, path, nil)["keys"], path)
	}
}

func TestConfigExistenceCheck(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	for path, want := range map[string]bool{
		"config/pave/main":   true,
		"config/pave/other":  false,
		"config/avanan/main": false,
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			// Invalid parameters do not matter here: Vault checks the policies before the engine reports them.
			wrong := values{"api_secret": values{"no": "string"}, "ttl": "canary"}
			req := m.in(t).request(logical.CreateOperation, path, wrong)
			checked, exists, err := m.HandleExistenceCheck(t.Context(), req)
			require.NoError(t, err)
			require.True(t, checked)
			require.Equal(t, want, exists)
		})
	}
}

// A write changes the fields that it names and no others. This is tried for every subset of the fields.
func TestConfigWriteChangesOnlyNamedFields(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	for name, test := range map[string]struct {
		path, secret  string
		before, after values
	}{
		"PAVE": {
			path:   "config/pave/main",
			secret: "api_secret",
			before: with(m.paveValues(), values{"timestamp_format": "unix", "ttl": 100}),
			after: values{
				"username":         "other",
				"api_key":          "other-key",
				"api_secret":       "other-secret",
				"timestamp_format": "http-date",
				"ttl":              200,
				"base_url":         "https://other.example",
			},
		},
		"Avanan": {
			path:   "config/avanan/main",
			secret: "secret_key",
			before: with(m.avananValues(), values{
				"date_format":     "zulu",
				"min_ttl":         100,
				"request_timeout": 5,
				"ca_cert":         testCertificate,
				"verify":          false,
			}),
			after: values{
				"region":          "eu",
				"app_id":          "EU:other",
				"secret_key":      "other-secret",
				"base_url":        "https://other.example",
				"date_format":     "zoneless",
				"min_ttl":         200,
				"request_timeout": 7,
				"ca_cert":         "",
				"verify":          false,
			},
		},
	} {
		for _, operation := range []logical.Operation{logical.UpdateOperation, logical.PatchOperation} {
			t.Run(fmt.Sprint(operation, " of ", name), func(t *testing.T) {
				t.Parallel()
				m := newMount(t)
				names := slices.Sorted(maps.Keys(test.after))
				for subset := range 1 << len(names) {
					change := values{}
					for i, name := range names {
						if subset&(1<<i) != 0 {
							change[name] = test.after[name]
						}
					}
					m.changeOnly(operation, test.path, test.secret, test.before, change)
				}
			})
		}
	}
}

// changeOnly writes a config, changes it, and checks that what the change names is as it says, and nothing else is
// another.
func (m *mount) changeOnly(operation logical.Operation, path, secret string, written, change values) {
	m.t.Helper()
	m.must(logical.DeleteOperation, path, nil)
	m.write(path, written)
	want, before := m.read(path), m.stored()
	bound := []string{"username", "api_key", "base_url", "region", "app_id"}
	moves := slices.ContainsFunc(bound, func(name string) bool { return change[name] != nil })
	if _, verified := written["verify"]; verified {
		change["verify"] = false
	}
	if len(change) == 0 {
		require.Contains(m.t, m.refused(operation, path, change), "the request contains no parameters; this takes ")
		return
	}
	if moves && change[secret] == nil {
		require.Contains(m.t, m.refused(operation, path, change), "needs "+secret+" in the same write")
		require.Equal(m.t, before, m.stored())
		return
	}
	m.must(operation, path, change)
	for name, value := range change {
		if _, shown := want[name]; shown {
			want[name] = value
		}
	}
	require.Equal(m.t, want, m.read(path), "%s of %v", operation, change)
	wantSecret := written[secret]
	if change[secret] != nil {
		wantSecret = change[secret]
	}
	require.Contains(m.t, m.stored()[path], `"`+secret+`":"`+wantSecret.(string)+`"`)
}

// A patch of a missing config says what to write. In a patch, null sets the default; in other writes it is an error.
func TestConfigPatchNullSetsDefault(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	require.Contains(t, m.refused(logical.PatchOperation, "config/pave/main", m.paveValues()),
		"there is no config at apisig/config/pave/main; "+
			"write one first: vault write apisig/config/pave/main username=")
	require.Contains(t, m.refused(logical.PatchOperation, "config/avanan/us", m.avananValues()),
		"there is no config at apisig/config/avanan/us; write one first: vault write apisig/config/avanan/us region=")
	require.Empty(t, m.stored())

	m.write("config/pave/main", with(m.paveValues(), values{"ttl": 20, "timestamp_format": "unix"}))
	m.patch("config/pave/main", values{"ttl": nil, "timestamp_format": nil})
	require.Equal(t, 150, m.read("config/pave/main")["ttl"])
	require.Equal(t, "auto", m.read("config/pave/main")["timestamp_format"])
	require.Contains(t, m.refused(logical.PatchOperation, "config/pave/main", values{"api_secret": nil}),
		"api_secret is required")
	require.Contains(t, m.refused(logical.PatchOperation, "config/pave/main", values{"base_url": nil}), "needs api_secret")
	m.patch("config/pave/main", values{"base_url": nil, "api_secret": "sandbox-pave-secret"})
	require.Equal(t, "https://openapi.paveapi.com", m.read("config/pave/main")["base_url"])

	m.write("config/avanan/us", with(m.avananValues(), values{"min_ttl": 20, "request_timeout": 5}))
	handshakes := m.vendor.Handshakes()
	m.patch("config/avanan/us", values{"min_ttl": nil, "request_timeout": nil, "verify": nil})
	require.Equal(t, handshakes, m.vendor.Handshakes(), "verify=null is not an explicit verify=true")
	require.Equal(t, 600, m.read("config/avanan/us")["min_ttl"])
	require.Equal(t, 10, m.read("config/avanan/us")["request_timeout"])

	for _, operation := range []logical.Operation{logical.CreateOperation, logical.UpdateOperation} {
		require.Contains(t, m.refused(operation, "config/pave/main", values{"ttl": nil}), "ttl is null")
	}
}

// Concurrent writes of different fields are all stored.
func TestConcurrentConfigWritesAreAllStored(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	m.write("config/avanan/us", m.avananValues())
	for round := 1; round <= 50; round++ {
		var writers sync.WaitGroup
		for _, write := range []struct {
			path   string
			values values
		}{
			{"config/pave/main", values{"ttl": round}},
			{"config/pave/main", values{"timestamp_format": []string{"unix", "rfc3339"}[round%2]}},
			{"config/avanan/us", values{"min_ttl": round}},
			{"config/avanan/us", values{"request_timeout": 1 + round%30}},
		} {
			writers.Go(func() {
				resp, err := m.HandleRequest(t.Context(), m.request(logical.UpdateOperation, write.path, write.values))
				if err != nil || resp.IsError() {
					t.Errorf("%s: %v %v", write.path, resp, err)
				}
			})
		}
		writers.Wait()
		pave, avanan := m.read("config/pave/main"), m.read("config/avanan/us")
		require.Equal(t, round, pave["ttl"])
		require.Equal(t, []string{"unix", "rfc3339"}[round%2], pave["timestamp_format"])
		require.Equal(t, round, avanan["min_ttl"])
		require.Equal(t, 1+round%30, avanan["request_timeout"])
	}
}

// overtakingStorage has something done after each first look of a write at its config. The second is under a lock.
type overtakingStorage struct {
	logical.Storage
	overtake func()
	looks    int
}

func (s *overtakingStorage) Get(ctx context.Context, key string) (*logical.StorageEntry, error) {
	entry, err := s.Storage.Get(ctx, key)
	if s.looks++; s.looks%2 == 1 {
		s.overtake()
	}
	return entry, err
}

// A write starts over if its config was changed concurrently, and fails if that happens too often.
func TestConfigWriteStartsOverAfterConcurrentChange(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		overtaken int
		want      error
	}{
		"some times":          {12, nil},
		"often":               {writeAttempts - 1, nil},
		"in all its attempts": {writeAttempts, errChanged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/pave/main", m.paveValues())
			req, tries := m.request(logical.UpdateOperation, "config/pave/main", values{"request_timeout": 20}), 0
			req.Storage = &overtakingStorage{Storage: m.storage, overtake: func() {
				if tries++; tries <= test.overtaken {
					m.write("config/pave/main", values{"ttl": 10 + tries})
				}
			}}
			_, err := m.HandleRequest(t.Context(), req)
			require.Equal(t, test.want, err)
			require.Equal(t, 10+min(test.overtaken, writeAttempts), m.read("config/pave/main")["ttl"])
		})
	}
}

func mustJSON(t *testing.T, value any) []byte {
	t.Helper()
	encoded, err := json.Marshal(value)
	require.NoError(t, err)
	return encoded
}

// A storage entry of a later version can be used. An update keeps the fields that this version does not know.
func TestConfigOfLaterVersionKeepsUnknownFields(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	put := func(key, value string) {
		m.put(key, []byte(value))
		m.InvalidateKey(t.Context(), key)
	}
	put("config/pave/main",
		`{"username":"acme","api_key":"key-1","api_secret":"sec-1","ttl":20,"later":{"a":12345678901234567890}}`)
	require.Equal(t, values{
		"username":                  "acme",
		"api_key":                   "key-1",
		"timestamp_format":          "rfc3339",
		"ttl":                       20,
		"base_url":                  "https://openapi.paveapi.com",
		"request_timeout":           10,
		"ca_cert":                   "",
		"detected_timestamp_format": "",
	}, m.read("config/pave/main"))
	m.read("creds/pave/main")
	m.write("config/pave/main", values{"ttl": 30})
	require.JSONEq(t, `{"username":"acme","api_key":"key-1","api_secret":"sec-1","ttl":30,"timestamp_format":"rfc3339",
		"detected_timestamp_format":"","request_timeout":10,"ca_cert":"","base_url":"https://openapi.paveapi.com",
		"later":{"a":12345678901234567890}}`, m.stored()["config/pave/main"])

	// A ca_cert that was stored with a comment does not count as changed, so this write does no handshake, which would
	// fail.
	put("config/avanan/us", `{"app_id":"app","secret_key":"key","region":"us","base_url":"https://127.0.0.1:1",
		"date_format":"auto","detected_date_format":"zulu","min_ttl":600,"request_timeout":1,
		"ca_cert":`+quotedJSON("a comment\n"+newAuthority(t).pem)+`}`)
	m.write("config/avanan/us", values{"min_ttl": 20})
	require.Equal(t, "zulu", m.read("config/avanan/us")["detected_date_format"])

	// If this version does not know a stored value, the error says so, and the operator can replace it.
	put("config/pave/main", `{"username":"acme","api_key":"key-1","api_secret":"sec-1","timestamp_format":"rfc3339-ns"}`)
	require.Contains(t, m.refused(logical.ReadOperation, "creds/pave/main", nil),
		"the config at apisig/config/pave/main cannot be used: timestamp_format must be one of")
	m.write("config/pave/main", values{"timestamp_format": "unix"})
	m.read("creds/pave/main")
}

// A damaged storage entry is never quoted, and can be deleted.
func TestDamagedConfigCanBeDeleted(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"nothing":                  "",
		"a word":                   "canary",
		"a list":                   "[]",
		"a text":                   `"canary"`,
		"a text for a duration":    `{"ttl":"canary"}`,
		"an object for a duration": `{"min_ttl":{}}`,
		"cut off":                  "{",
		"a byte 0":                 "\x00",
	} {
		for _, vendor := range []string{"pave", "avanan"} {
			t.Run(name+" of "+vendor, func(t *testing.T) {
				t.Parallel()
				m := newMount(t)
				path := "config/" + vendor + "/main"
				m.put(path, []byte(value))
				for _, request := range []func(*mount) (*logical.Response, error){
					doing(logical.ReadOperation, path, nil),
					doing(logical.UpdateOperation, path, values{"request_timeout": 5}),
					doing(logical.ReadOperation, "creds/"+vendor+"/main", nil),
				} {
					resp, err := request(m)
					text := ""
					if err != nil {
						text = err.Error()
					} else if resp.IsError() {
						text = resp.Error().Error()
					}
					require.NotContains(t, text, "canary")
				}
				m.must(logical.DeleteOperation, path, nil)
				require.Empty(t, m.stored())
			})
		}
	}
}

// An entry with nothing in it is a config of defaults.
func TestEmptyEntryIsAConfigOfDefaults(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"null", "{}"} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			for _, key := range []string{"config/pave/other", "config/pave/main"} {
				m.put(key, []byte(value))
			}
			m.write("config/pave/other", m.paveValues())
			m.read("creds/pave/other")
			require.Contains(t, m.refused(logical.ReadOperation, "creds/pave/main", nil),
				"cannot be used: username, api_key, api_secret are required")
		})
	}
}

// Every API's config is stored under the key, with the names and the values of the first version, and read back as it
// was written. The rows of apiRows say how.
func TestConfigStorageFormat(t *testing.T) {
	t.Parallel()
	for _, a := range apis.All() {
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			m, row := newMount(t), rowOf(t, a)
			path := a.Name + "/x"
			m.write("config/"+path, row.written)
			stored := m.stored()
			require.Len(t, stored, 1)
			require.JSONEq(t, row.stored, stored["config/"+path], "stored of the row %q in apiRows", a.Name)
			found := m.load(path)
			again, err := found.values.Encode(found.entry)
			require.NoError(t, err)
			require.JSONEq(t, row.stored, string(again))
			m.InvalidateKey(t.Context(), "config/"+path) // as after a restart
			for name, value := range m.read("config/" + path) {
				if written, has := row.written[name]; has {
					require.EqualValues(t, written, value, name)
				}
			}
		})
	}
}
