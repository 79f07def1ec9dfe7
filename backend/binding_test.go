package backend

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/apis"
)

// Adding a certificate needs the secret in the same write, because it decides which servers the engine trusts. Removing one, or
// writing the same one in another form, does not.
func TestAddingCertificateNeedsSecret(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	other := newAuthority(t).pem
	m.write("config/avanan/us", with(m.avananValues(), values{"ca_cert": testCertificate, "verify": false}))
	before := m.stored()
	for _, added := range []string{testCertificate + other, other, other + testCertificate + other} {
		for _, operation := range []logical.Operation{logical.UpdateOperation, logical.PatchOperation} {
			require.Contains(t, m.refused(operation, "config/avanan/us", values{"ca_cert": added, "verify": false}),
				"changing ca_cert needs secret_key in the same write")
		}
	}
	require.Equal(t, before, m.stored())
	for _, kept := range []string{"a comment\n" + testCertificate, testCertificate + testCertificate, ""} {
		m.write("config/avanan/us", values{"ca_cert": kept, "verify": false})
	}
	require.Contains(t, m.refused(logical.UpdateOperation, "config/avanan/us", values{"ca_cert": testCertificate, "verify": false}), "changing ca_cert")
	m.must(logical.UpdateOperation, "config/avanan/us", values{"ca_cert": other, "secret_key": "x", "verify": false})
}

// A write with the secret that relies on a stored foreign address or a stored certificate gets a warning, because someone else may
// have set them. It gets none if it names them, or if the address is the vendor's own. With a warning the status is 200, else 204.
func TestSecretForStoredAddressWarns(t *testing.T) {
	t.Parallel()
	own := values{"region": "us", "app_id": "app", "secret_key": "old"}
	pave := values{"username": "u", "api_key": "k", "api_secret": "old"}
	foreign := "https://other.example/path"
	for name, test := range map[string]struct {
		path         string
		stored, next values
		warns        []string
	}{
		"a new config":          {"avanan/x", nil, with(own, values{"base_url": foreign}), nil},
		"the region's":          {"avanan/x", own, values{"secret_key": "new"}, nil},
		"a region's base_url":   {"avanan/x", with(own, values{"base_url": "https://smart-api-production-1-eu.avanan.net"}), values{"secret_key": "new"}, nil},
		"a foreign base_url":    {"avanan/x", with(own, values{"base_url": foreign}), values{"secret_key": "new"}, []string{foreign, "Avanan's own"}},
		"it is named again":     {"avanan/x", with(own, values{"base_url": foreign}), values{"secret_key": "new", "base_url": foreign}, nil},
		"the region is named":   {"avanan/x", with(own, values{"base_url": foreign}), values{"secret_key": "new", "region": "us"}, []string{foreign}},
		"a certificate":         {"avanan/x", with(own, values{"ca_cert": testCertificate}), values{"secret_key": "new"}, []string{"the stored ca_cert;"}},
		"both":                  {"avanan/x", with(own, values{"base_url": foreign, "ca_cert": testCertificate}), values{"secret_key": "new"}, []string{foreign, " and the stored ca_cert;"}},
		"no secret":             {"avanan/x", with(own, values{"base_url": foreign}), values{"min_ttl": 1}, nil},
		"PAVE's":                {"pave/x", pave, values{"api_secret": "new"}, nil},
		"PAVE's, foreign":       {"pave/x", with(pave, values{"base_url": foreign}), values{"api_secret": "new"}, []string{foreign, "PAVE's own"}},
		"PAVE's, named again":   {"pave/x", with(pave, values{"base_url": foreign}), values{"api_secret": "new", "base_url": foreign}, nil},
		"a declared API's":      {"custom/x", newMount(t).customValues(), values{"application_secret": "new"}, []string{"the stored base_url https://api.example;"}},
		"one looks like PAVE's": {"pave/x", with(pave, values{"base_url": "https://openapi.paveapi.com.example"}), values{"api_secret": "new"}, []string{"openapi.paveapi.com.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			path, untried := "config/"+test.path, values{}
			if strings.HasPrefix(test.path, "avanan") {
				untried["verify"] = false
			}
			if test.stored != nil {
				m.write(path, with(test.stored, untried))
			}
			resp, status, text := m.handle(logical.UpdateOperation, path, with(test.next, untried))
			require.Empty(t, text)
			if test.warns == nil {
				require.Nil(t, resp)
				return
			}
			require.Equal(t, http.StatusOK, status)
			require.Len(t, resp.Warnings, 1)
			for _, want := range test.warns {
				require.Contains(t, resp.Warnings[0], want)
			}
			require.Contains(t, resp.Warnings[0], "write it again together with the secret")
		})
	}
}

// If the handshake fails, the warning is part of the error's text, because Vault drops warnings from errors.
func TestFailedVerificationNamesStoredAddress(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", m.avananValues())
	text := m.refused(logical.UpdateOperation, "config/avanan/us", values{"secret_key": "wrong"})
	require.Contains(t, text, "rejects the credentials")
	require.Contains(t, text, "the new secret is used with the stored base_url "+m.url)
	text = m.refused(logical.UpdateOperation, "config/avanan/us", values{"secret_key": "wrong", "base_url": m.url})
	require.NotContains(t, text, "the new secret is used with")
}

// Public values are put into env files, shells and configurations of curl. So a write that names one with a quote or similar is
// rejected. A value that an earlier version stored keeps working, also when another field is written.
func TestPublicValuesWithQuotesAreRejected(t *testing.T) {
	t.Parallel()
	for path, fields := range map[string][]string{"config/pave/x": {"api_key", "base_url"}, "config/avanan/x": {"app_id", "base_url"}} {
		for _, field := range fields {
			for _, bad := range []string{`"`, "'", "`", `\`, "$"} {
				m := newMount(t)
				value := "https://example.com/a" + bad + "b"
				config := map[string]values{
					"config/pave/x":   with(m.paveValues(), values{field: value}),
					"config/avanan/x": with(m.avananValues(), values{field: value, "verify": false}),
				}[path]
				text := m.refused(logical.CreateOperation, path, config)
				require.Contains(t, text, field+" ")
				require.Contains(t, text, "backslash", "%s %s: %s", field, bad, text)
				require.NotContains(t, text, value)

				delete(config, "verify")
				config["request_timeout"], config["ttl"] = 1, 20
				if strings.HasPrefix(path, "config/avanan") {
					delete(config, "ttl")
				} else {
					delete(config, "request_timeout")
				}
				require.NoError(t, m.storage.Put(t.Context(), &logical.StorageEntry{Key: path, Value: mustJSON(t, config)}))
				require.Equal(t, value, m.read(path)[field])
				if strings.HasPrefix(path, "config/avanan") {
					m.patch(path, values{"min_ttl": 20})
				} else {
					require.NotEmpty(t, m.read("creds/pave/x")["header_lines"])
					m.patch(path, values{"ttl": 30})
				}
				require.Equal(t, value, m.read(path)[field])
			}
		}
	}
}

// A stored duration that is out of bounds counts, and is read back, as the nearest bound.
func TestStoredDurationIsLimitedToItsBounds(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	for stored, want := range map[int]int{86400: 1800, 1801: 1800, 1800: 1800, 0: 0, -1: 0} {
		require.NoError(t, m.storage.Put(t.Context(), &logical.StorageEntry{Key: "config/avanan/us", Value: mustJSON(t, with(m.avananValues(), values{"min_ttl": stored}))}))
		m.InvalidateKey(t.Context(), "config/avanan/us")
		require.Equal(t, want, m.read("config/avanan/us")["min_ttl"])
		m.read("creds/avanan/us")
		m.patch("config/avanan/us", values{"request_timeout": 7})
	}
}

// In a patch, null sets any field to its default. Required fields and fields bound to the secret keep their rules.
func TestPatchWithNullOnEveryField(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	set := map[string]values{
		"pave": with(m.paveValues(), values{"timestamp_format": "unix", "ttl": 20, "base_url": "https://other.example"}),
		"avanan": with(m.avananValues(), values{
			"region": "eu", "date_format": "zulu", "min_ttl": 20, "request_timeout": 20, "ca_cert": testCertificate, "verify": false,
		}),
		"infinity": with(m.infinityValues(), values{
			"region": "eu", "min_ttl": 20, "request_timeout": 20, "ca_cert": testCertificate, "verify": false,
		}),
		"custom": m.customValues(),
	}
	for _, v := range apis.All() {
		path := "config/" + v.Name + "/us"
		for _, f := range v.Form.Fields {
			if f.Learned {
				require.Contains(t, m.refused(logical.PatchOperation, path, values{f.Name: nil}), "unknown parameter")
				continue
			}
			m.must(logical.DeleteOperation, path, nil)
			m.write(path, set[v.Name])
			before := m.read(path)
			write := values{f.Name: nil}
			if v.Lease != nil && f.Name != "verify" {
				write["verify"] = false
			}
			switch {
			case f.Required:
				require.Contains(t, m.refused(logical.PatchOperation, path, write), f.Name+" is required")
				continue
			case f.Bound && f.Kind != api.Certificates:
				secret := firstSecret(v)
				require.Contains(t, m.refused(logical.PatchOperation, path, write), "changing "+f.Name+" needs "+secret)
				write[secret] = "new"
				if v.Name == "infinity" { // which gets the secret itself
					write = with(values{"base_url": before["base_url"], "ca_cert": before["ca_cert"]}, write)
				}
			}
			m.must(logical.PatchOperation, path, write)
			if f.Unstored {
				continue
			}
			want := with(before, values{f.Name: zeroOf(f)})
			if f.OmitEmpty {
				delete(want, f.Name)
			}
			if f.Name == "region" {
				want["region"] = "us" // the config's name
			}
			require.Equal(t, want, m.read(path), f.Name)
		}
	}
}

// A PUT with its parameters in the query has no body. It would change nothing, so it is an error that lists the parameters.
func TestWriteWithoutParametersIsRejected(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	for _, operation := range []logical.Operation{logical.CreateOperation, logical.UpdateOperation, logical.PatchOperation} {
		for path, want := range map[string]string{"config/pave/main": "this takes api_key, api_secret", "config/avanan/us": "this takes app_id"} {
			text := m.refused(operation, path, nil)
			require.Contains(t, text, "the request contains no parameters; "+want)
			require.NotContains(t, text, "detected")
		}
	}
}

// Names that storage rejects get 400 on every path. The existence check, which Vault calls before it checks the policies, answers
// that such a config exists, without using storage, so that the caller gets that 400.
func TestNamesThatStorageRejectsGet400(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	longest := strings.Repeat("a", 256-len("config/avanan/"))
	for name, want := range map[string]string{"a..b": "the name contains ..", longest + "a": "the name is too long"} {
		for path, operations := range map[string][]logical.Operation{
			"config/avanan/": {
				logical.CreateOperation, logical.UpdateOperation, logical.PatchOperation, logical.ReadOperation, logical.DeleteOperation,
			},
			"creds/avanan/": {logical.ReadOperation, logical.UpdateOperation},
			"sign/avanan/":  {logical.ReadOperation, logical.UpdateOperation},
		} {
			for _, operation := range operations {
				var data values
				if strings.HasPrefix(path, "config") && operation != logical.ReadOperation && operation != logical.DeleteOperation {
					data = m.avananValues()
				}
				require.Contains(t, m.refused(operation, path+name, data), want)
			}
		}
		require.Contains(t, m.refused(logical.UpdateOperation, "sign/avanan/"+name+"/batch", values{"request_strings": "/a"}), want)
		m.storage.verb.Store("get")
		_, exists, err := m.HandleExistenceCheck(t.Context(), m.request(logical.CreateOperation, "config/avanan/"+name, nil))
		m.storage.verb.Store("")
		require.NoError(t, err)
		require.True(t, exists)
	}
	m.write("config/avanan/"+longest, m.avananValues())
	m.read("creds/avanan/" + longest)
	_, exists, err := m.HandleExistenceCheck(t.Context(), m.request(logical.CreateOperation, "config/avanan/"+longest[1:], nil))
	require.NoError(t, err)
	require.False(t, exists)
	m.must(logical.DeleteOperation, "config/avanan/"+longest, nil)
}

// A write reads its entry twice: to change it, and to see that it was not changed concurrently.
func TestWriteReadsStorageTwice(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	counting := &failingStorage{Storage: m.storage.Storage}
	req := m.request(logical.UpdateOperation, "config/pave/main", values{"ttl": 20})
	req.Storage = counting
	_, err := m.HandleRequest(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, 3, counting.calls, "two reads and a write")
}

// A certificate is accepted in the forms in which files, JSON and environment variables have it, and stored in one.
func TestCertificateInOtherForms(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	oneLine := strings.ReplaceAll(testCertificate, "\n", `\n`)
	for name, text := range map[string]string{
		"as it is":                       testCertificate,
		"CRLF":                           strings.ReplaceAll(testCertificate, "\n", "\r\n"),
		"two characters for a line feed": oneLine,
		"four for CRLF":                  strings.ReplaceAll(testCertificate, "\n", `\r\n`),
		"quoted":                         `"` + testCertificate + `"`,
		"quoted, as in JSON":             `"` + oneLine + `"`,
		"quoted, with a newline behind":  `"` + oneLine + "\"\n",
		"two in one line":                oneLine + oneLine,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := "config/avanan/" + strings.ReplaceAll(strings.ReplaceAll(name, " ", "-"), ",", "")
			m.write(path, with(m.avananValues(), values{"ca_cert": text, "verify": false}))
			want := testCertificate
			if name == "two in one line" {
				want += testCertificate
			}
			require.Equal(t, want, m.read(path)["ca_cert"])
			m.write(path, values{"ca_cert": testCertificate}) // the same certificate needs no secret
		})
	}
	for _, wrong := range []string{
		`"` + testCertificate, testCertificate + `"`, `'` + oneLine + `'`, `"` + oneLine + `'`, `'` + oneLine + `"`, `""` + testCertificate + `""`,
		`\n`, `"`,
	} {
		config := with(m.avananValues(), values{"ca_cert": wrong, "verify": false})
		require.Equal(t, "ca_cert contains something that is not PEM", m.refused(logical.UpdateOperation, "config/avanan/us", config))
	}
}

// A base_url that has what the engine or a reader adds to it could never work. A guide shows it so, and the error says
// what to write.
func TestAddressesThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	const (
		avanan   = "base_url ends in %s, which is part of each request string: leave that out"
		infinity = "base_url ends in %s, which is added for calls: leave that out"
	)
	for address, want := range map[string]string{
		"avanan https://gateway.example/v1.0":                                           fmt.Sprintf(avanan, "/v1.0"),
		"avanan https://gateway.example/v1.0/":                                          fmt.Sprintf(avanan, "/v1.0"),
		"avanan https://gateway.example/V1.0//":                                         fmt.Sprintf(avanan, "/v1.0"),
		"avanan https://gateway.example/v1.0/auth":                                      fmt.Sprintf(avanan, "/v1.0/auth"),
		"infinity https://cloudinfra-gw-us.portal.checkpoint.com/app/hec-api":           fmt.Sprintf(infinity, "/app/hec-api"),
		"infinity https://cloudinfra-gw-us.portal.checkpoint.com/app/hec-api/":          fmt.Sprintf(infinity, "/app/hec-api"),
		"infinity https://cloudinfra-gw-us.portal.checkpoint.com/app/hec-api/v1.0":      fmt.Sprintf(infinity, "/app/hec-api/v1.0"),
		"avanan https://gateway.example/v1.0x":                                          "",
		"avanan https://gateway.example/xv1.0":                                          "",
		"avanan https://gateway.example/v1.0/tenant":                                    "",
		"infinity https://gateway.example/hec-api":                                      "",
		"infinity https://cloudinfra-gw-us.portal.checkpoint.com/app/hec-api/elsewhere": "",
	} {
		vendor, address, _ := strings.Cut(address, " ")
		config := m.avananValues()
		if vendor == "infinity" {
			config = m.infinityValues()
		}
		config["base_url"], config["verify"] = address, false
		if want == "" {
			m.write("config/"+vendor+"/us", config)
			continue
		}
		require.Equal(t, want, m.refused(logical.UpdateOperation, "config/"+vendor+"/us", config))

		// What an earlier version stored keeps being read, and a write that does not name it does not check it.
		delete(config, "verify")
		require.NoError(t, m.storage.Put(t.Context(), &logical.StorageEntry{Key: "config/" + vendor + "/old", Value: mustJSON(t, config)}))
		m.write("config/"+vendor+"/old", values{"min_ttl": 20})
		require.Equal(t, address, m.read("config/" + vendor + "/old")["base_url"])
	}
}

// firstSecret is the name of an API's first secret.
func firstSecret(a *api.API) string {
	return a.Form.Fields[slices.IndexFunc(a.Form.Fields, func(f api.Field) bool { return f.Kind == api.Secret })].Name
}

// zeroOf is what a read says of a field that was not written.
func zeroOf(f api.Field) any {
	switch {
	case f.Default != nil:
		return f.Default
	case f.Kind == api.Seconds:
		return 0
	case f.Kind == api.Flag:
		return false
	default:
		return ""
	}
}
