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

// Adding a certificate needs the secret in the same write, because it decides which servers the engine trusts. Removing
// one, or writing the same one in another form, does not.
func TestAddingCertificateNeedsSecret(t *testing.T) {
	t.Parallel()
	other := newAuthority(t).pem
	for name, test := range map[string]struct {
		certificates string
		needs        bool
	}{
		"one more":                 {testCertificate + other, true},
		"another":                  {other, true},
		"another before and after": {other + testCertificate + other, true},
		"the same, commented":      {"a comment\n" + testCertificate, false},
		"the same, twice":          {testCertificate + testCertificate, false},
		"none":                     {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/avanan/us", with(m.avananValues(), values{"ca_cert": testCertificate, "verify": false}))
			before, change := m.stored(), values{"ca_cert": test.certificates, "verify": false}
			for _, operation := range []logical.Operation{logical.UpdateOperation, logical.PatchOperation} {
				if !test.needs {
					m.must(operation, "config/avanan/us", change)
					continue
				}
				require.Contains(t, m.refused(operation, "config/avanan/us", change),
					"changing ca_cert needs secret_key in the same write")
				require.Equal(t, before, m.stored())
			}
			m.must(logical.UpdateOperation, "config/avanan/us", with(change, values{"secret_key": "x"}))
		})
	}
}

// A write with the secret that relies on a stored foreign address or a stored certificate gets a warning, because
// someone else may have set them. It gets none if it names them, or if the address is the vendor's own. With a warning
// the status is 200, else 204.
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
		"a new config": {
			path: "avanan/x",
			next: with(own, values{"base_url": foreign}),
		},
		"the region's": {
			path:   "avanan/x",
			stored: own,
			next:   values{"secret_key": "new"},
		},
		"a region's base_url": {
			path:   "avanan/x",
			stored: with(own, values{"base_url": "https://smart-api-production-1-eu.avanan.net"}),
			next:   values{"secret_key": "new"},
		},
		"a foreign base_url": {
			path:   "avanan/x",
			stored: with(own, values{"base_url": foreign}),
			next:   values{"secret_key": "new"},
			warns:  []string{foreign, "Avanan's own"},
		},
		"it is named again": {
			path:   "avanan/x",
			stored: with(own, values{"base_url": foreign}),
			next:   values{"secret_key": "new", "base_url": foreign},
		},
		"the region is named": {
			path:   "avanan/x",
			stored: with(own, values{"base_url": foreign}),
			next:   values{"secret_key": "new", "region": "us"},
			warns:  []string{foreign},
		},
		"a certificate": {
			path:   "avanan/x",
			stored: with(own, values{"ca_cert": testCertificate}),
			next:   values{"secret_key": "new"},
			warns:  []string{"the stored ca_cert;"},
		},
		"both": {
			path:   "avanan/x",
			stored: with(own, values{"base_url": foreign, "ca_cert": testCertificate}),
			next:   values{"secret_key": "new"},
			warns:  []string{foreign, " and the stored ca_cert;"},
		},
		"no secret": {
			path:   "avanan/x",
			stored: with(own, values{"base_url": foreign}),
			next:   values{"min_ttl": 1},
		},
		"PAVE's": {
			path:   "pave/x",
			stored: pave,
			next:   values{"api_secret": "new"},
		},
		"PAVE's, foreign": {
			path:   "pave/x",
			stored: with(pave, values{"base_url": foreign}),
			next:   values{"api_secret": "new"},
			warns:  []string{foreign, "PAVE's own"},
		},
		"PAVE's, named again": {
			path:   "pave/x",
			stored: with(pave, values{"base_url": foreign}),
			next:   values{"api_secret": "new", "base_url": foreign},
		},
		"a declared API's": {
			path:   "custom/x",
			stored: newMount(t).customValues(),
			next:   values{"application_secret": "new"},
			warns:  []string{"the stored base_url https://api.example;"},
		},
		"one looks like PAVE's": {
			path:   "pave/x",
			stored: with(pave, values{"base_url": "https://openapi.paveapi.com.example"}),
			next:   values{"api_secret": "new"},
			warns:  []string{"openapi.paveapi.com.example"},
		},
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

// Public values are put into env files, shells and configurations of curl. So a write that names one with a quote or
// similar is rejected. A value that an earlier version stored keeps working, also when another field is written.
func TestPublicValuesWithQuotesAreRejected(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	pave, avanan := m.paveValues(), m.avananValues()
	for name, test := range map[string]struct {
		path, field   string
		whole, change values
	}{
		"PAVE's api_key":    {"config/pave/x", "api_key", pave, values{"ttl": 30}},
		"PAVE's base_url":   {"config/pave/x", "base_url", pave, values{"ttl": 30}},
		"Avanan's app_id":   {"config/avanan/x", "app_id", avanan, values{"min_ttl": 20}},
		"Avanan's base_url": {"config/avanan/x", "base_url", avanan, values{"min_ttl": 20}},
	} {
		for bad, title := range map[string]string{
			`"`: "a double quote",
			"'": "a quote",
			"`": "a backquote",
			`\`: "a backslash",
			"$": "a dollar",
		} {
			t.Run(name+" with "+title, func(t *testing.T) {
				t.Parallel()
				m := newMount(t)
				value := "https://example.com/a" + bad + "b"
				config := with(test.whole, values{test.field: value})
				text := m.refused(logical.CreateOperation, test.path, with(config, values{"verify": false}))
				require.Contains(t, text, test.field+" ")
				require.Contains(t, text, "backslash")
				require.NotContains(t, text, value)

				m.put(test.path, mustJSON(t, config))
				require.Equal(t, value, m.read(test.path)[test.field])
				if test.path == "config/pave/x" {
					require.NotEmpty(t, m.read("creds/pave/x")["header_lines"])
				}
				m.patch(test.path, test.change)
				require.Equal(t, value, m.read(test.path)[test.field])
			})
		}
	}
}

// A stored duration that is out of bounds counts, and is read back, as the nearest bound.
func TestStoredDurationIsLimitedToItsBounds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ stored, want int }{
		"far beyond":   {86400, 1800},
		"beyond":       {1801, 1800},
		"the greatest": {1800, 1800},
		"the least":    {0, 0},
		"below":        {-1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			entry := mustJSON(t, with(m.avananValues(), values{"min_ttl": test.stored}))
			m.put("config/avanan/us", entry)
			require.Equal(t, test.want, m.read("config/avanan/us")["min_ttl"])
			m.read("creds/avanan/us")
			m.patch("config/avanan/us", values{"request_timeout": 7})
			require.Equal(t, test.want, m.read("config/avanan/us")["min_ttl"])
		})
	}
}

// In a patch, null sets any field to its default. Required fields and fields bound to the secret keep their rules. The
// rows of apiRows have a value of each field that is not its default.
func TestPatchWithNullOnEveryField(t *testing.T) {
	t.Parallel()
	for _, a := range apis.All() {
		row := rowOf(t, a)
		for _, f := range a.Form.Fields {
			t.Run(a.Name+"'s "+f.Name, func(t *testing.T) {
				t.Parallel()
				m := newMount(t)
				m.patchWithNull(a, f, with(row.whole(m), row.others))
			})
		}
	}
}

// patchWithNull writes a config whose fields all have other values than their defaults, and patches one of them with
// null.
func (m *mount) patchWithNull(a *api.API, f api.Field, full values) {
	m.t.Helper()
	path := "config/" + a.Name + "/us"
	m.write(path, untried(a, full))
	before := m.read(path)
	write := values{f.Name: nil}
	if f.Name != "verify" {
		write = untried(a, write)
	}
	switch {
	case f.Learned:
		require.Contains(m.t, m.refused(logical.PatchOperation, path, values{f.Name: nil}), "unknown parameter")
		return
	case f.Required, a.Document != nil && f.Address: // this one's document has no default
		require.Contains(m.t, m.refused(logical.PatchOperation, path, write), f.Name+" is required")
		return
	case f.Bound && f.Kind != api.Certificates:
		secret := firstSecret(a)
		require.Contains(m.t, m.refused(logical.PatchOperation, path, write), "changing "+f.Name+" needs "+secret)
		write[secret] = "new"
		if m.load(a.Name + "/us").account(m.t).SendsSecret {
			write = with(values{"base_url": before["base_url"], "ca_cert": before["ca_cert"]}, write)
		}
	}
	m.must(logical.PatchOperation, path, write)
	if f.Unstored {
		return
	}
	want := with(before, values{f.Name: zeroOf(f)})
	if f.OmitEmpty {
		delete(want, f.Name)
	}
	if f.FromName {
		want[f.Name] = "us" // the config's name
	}
	require.Equal(m.t, want, m.read(path))
}

// A PUT with its parameters in the query has no body. It would change nothing, so it is an error that lists the
// parameters.
func TestWriteWithoutParametersIsRejected(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	for path, want := range map[string]string{
		"config/pave/main": "this takes api_key, api_secret",
		"config/avanan/us": "this takes app_id",
	} {
		for _, operation := range []logical.Operation{
			logical.CreateOperation, logical.UpdateOperation, logical.PatchOperation,
		} {
			t.Run(fmt.Sprint(operation, " ", path), func(t *testing.T) {
				t.Parallel()
				text := m.in(t).refused(operation, path, nil)
				require.Contains(t, text, "the request contains no parameters; "+want)
				require.NotContains(t, text, "detected")
			})
		}
	}
}

// Names that storage rejects get 400 on every path. The existence check, which Vault calls before it checks the
// policies, answers that such a config exists, without using storage, so that the caller gets that 400.
func TestNamesThatStorageRejectsGet400(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("a", 256-len("config/avanan/"))
	for title, name := range map[string]struct{ name, want string }{
		"two points": {"a..b", "the name contains .."},
		"too long":   {longest + "a", "the name is too long"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			for operation, takes := range map[logical.Operation]struct {
				prefixes []string
				data     values // on config/
			}{
				logical.CreateOperation: {[]string{"config/avanan/"}, m.avananValues()},
				logical.UpdateOperation: {[]string{"config/avanan/", "creds/avanan/", "sign/avanan/"}, m.avananValues()},
				logical.PatchOperation:  {[]string{"config/avanan/"}, m.avananValues()},
				logical.ReadOperation:   {[]string{"config/avanan/", "creds/avanan/", "sign/avanan/"}, nil},
				logical.DeleteOperation: {[]string{"config/avanan/"}, nil},
			} {
				for _, prefix := range takes.prefixes {
					data := takes.data
					if prefix != "config/avanan/" {
						data = nil
					}
					require.Contains(t, m.refused(operation, prefix+name.name, data), name.want)
				}
			}
			batch := values{"request_strings": "/a"}
			require.Contains(t, m.refused(logical.UpdateOperation, "sign/avanan/"+name.name+"/batch", batch), name.want)
			m.storage.verb.Store("get")
			req := m.request(logical.CreateOperation, "config/avanan/"+name.name, nil)
			_, exists, err := m.HandleExistenceCheck(t.Context(), req)
			m.storage.verb.Store("")
			require.NoError(t, err)
			require.True(t, exists)
		})
	}
	m := newMount(t)
	m.write("config/avanan/"+longest, m.avananValues())
	m.read("creds/avanan/" + longest)
	req := m.request(logical.CreateOperation, "config/avanan/"+longest[1:], nil)
	_, exists, err := m.HandleExistenceCheck(t.Context(), req)
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
	oneLine := strings.ReplaceAll(testCertificate, "\n", `\n`)
	const wrong = "ca_cert contains something that is not PEM"
	for name, test := range map[string]struct{ given, want, fault string }{
		"as it is":                       {given: testCertificate, want: testCertificate},
		"CRLF":                           {given: strings.ReplaceAll(testCertificate, "\n", "\r\n"), want: testCertificate},
		"two characters for a line feed": {given: oneLine, want: testCertificate},
		"four for CRLF":                  {given: strings.ReplaceAll(testCertificate, "\n", `\r\n`), want: testCertificate},
		"quoted":                         {given: `"` + testCertificate + `"`, want: testCertificate},
		"quoted, as in JSON":             {given: `"` + oneLine + `"`, want: testCertificate},
		"quoted, with a newline behind":  {given: `"` + oneLine + "\"\n", want: testCertificate},
		"two in one line":                {given: oneLine + oneLine, want: testCertificate + testCertificate},
		"a quote before":                 {given: `"` + testCertificate, fault: wrong},
		"a quote behind":                 {given: testCertificate + `"`, fault: wrong},
		"single quotes":                  {given: `'` + oneLine + `'`, fault: wrong},
		"a double and a single quote":    {given: `"` + oneLine + `'`, fault: wrong},
		"a single and a double quote":    {given: `'` + oneLine + `"`, fault: wrong},
		"two pairs of quotes":            {given: `""` + testCertificate + `""`, fault: wrong},
		"a line feed alone":              {given: `\n`, fault: wrong},
		"a quote alone":                  {given: `"`, fault: wrong},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			config := with(m.avananValues(), values{"ca_cert": test.given, "verify": false})
			if test.fault != "" {
				require.Equal(t, test.fault, m.refused(logical.UpdateOperation, "config/avanan/us", config))
				return
			}
			m.write("config/avanan/us", config)
			require.Equal(t, test.want, m.read("config/avanan/us")["ca_cert"])
			m.write("config/avanan/us", values{"ca_cert": testCertificate}) // the same certificate needs no secret
		})
	}
}

// A base_url that has what the engine or a reader adds to it could never work. A guide shows it so, and the error says
// what to write.
func TestAddressesThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	const (
		portal = "https://cloudinfra-gw-us.portal.checkpoint.com"
		signed = ", which is part of each request string: leave that out"
		added  = ", which is added for calls: leave that out"
	)
	for name, test := range map[string]struct{ vendor, address, want string }{
		"Avanan, /v1.0":                {"avanan", "https://gateway.example/v1.0", "/v1.0" + signed},
		"Avanan, /v1.0/":               {"avanan", "https://gateway.example/v1.0/", "/v1.0" + signed},
		"Avanan, /V1.0//":              {"avanan", "https://gateway.example/V1.0//", "/v1.0" + signed},
		"Avanan, /v1.0/auth":           {"avanan", "https://gateway.example/v1.0/auth", "/v1.0/auth" + signed},
		"Infinity, /app/hec-api":       {"infinity", portal + "/app/hec-api", "/app/hec-api" + added},
		"Infinity, /app/hec-api/":      {"infinity", portal + "/app/hec-api/", "/app/hec-api" + added},
		"Infinity, /app/hec-api/v1.0":  {"infinity", portal + "/app/hec-api/v1.0", "/app/hec-api/v1.0" + added},
		"Avanan, /v1.0x":               {"avanan", "https://gateway.example/v1.0x", ""},
		"Avanan, /xv1.0":               {"avanan", "https://gateway.example/xv1.0", ""},
		"Avanan, below /v1.0":          {"avanan", "https://gateway.example/v1.0/tenant", ""},
		"Infinity, /hec-api":           {"infinity", "https://gateway.example/hec-api", ""},
		"Infinity, below /app/hec-api": {"infinity", portal + "/app/hec-api/elsewhere", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			config := with(apiRows()[test.vendor].whole(m), values{"base_url": test.address})
			path, untried := "config/"+test.vendor+"/us", with(config, values{"verify": false})
			if test.want == "" {
				m.write(path, untried)
				return
			}
			require.Equal(t, "base_url ends in "+test.want, m.refused(logical.UpdateOperation, path, untried))

			// What an earlier version stored keeps being read, and a write that does not name it does not check it.
			m.put(path, mustJSON(t, config))
			m.write(path, values{"min_ttl": 20})
			require.Equal(t, test.address, m.read(path)["base_url"])
		})
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
