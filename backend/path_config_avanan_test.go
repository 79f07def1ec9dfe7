package backend

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/avanan"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// testCertificate is a certificate for tests. Nobody has its key.
//
//	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /dev/null \
//	    -subj "/CN=apisig test" -days 36500
const testCertificate = `-----BEGIN CERTIFICATE-----
MIIBgzCCASmgAwIBAgIUFEtjod6xwgZS3rgkDFohHh1+vtIwCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLYXBpc2lnIHRlc3QwIBcNMjYxMTIyMDM0MjA3WhgPMjEyNjEw
MjkwMzQyMDdaMBYxFDASBgNVBAMMC2FwaXNpZyB0ZXN0MFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAEfM6ZS2pQmwkZdRq3xH3XXZRgR6bY6SScqsOjCItRqtvwghDG
AYXWP347IPl09c5hjztsRmrZRgA/gxHHxV2Ul6NTMFEwHQYDVR0OBBYEFFMg+4Mv
frxUU9R24jbdTZ/+PaGZMB8GA1UdIwQYMBaAFFMg+4MvfrxUU9R24jbdTZ/+PaGZ
MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhAJonGZYJukBU5EWf
/YifTAsgRMdZNTnZQtUGB1WmVuZeAiBCEg1rxTNhKvKaVc0d6q2CImv7dXYMlWpL
A5iVLj8nmg==
-----END CERTIFICATE-----
`

func TestConfigAvananDefaults(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	config := values{"app_id": "EU:app", "secret_key": "sec-1", "verify": false}
	m.must(logical.CreateOperation, "config/avanan/eu", config)
	require.Equal(t, values{
		"region":               "eu",
		"app_id":               "EU:app",
		"base_url":             "",
		"date_format":          "auto",
		"detected_date_format": "",
		"min_ttl":              600,
		"request_timeout":      10,
		"ca_cert":              "",
		"secret_written_at":    "2026-01-02T03:04:05Z",
	}, m.read("config/avanan/eu"))
}

func TestConfigAvananRejectsInvalidValues(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", m.avananValues())
	before := m.stored()
	const (
		address = "https://example.com/"
		key     = "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n"
		broken  = "-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n"
		notPEM  = "ca_cert contains something that"
	)
	for name, test := range map[string]struct {
		change values
		want   string
	}{
		"region in capitals":        {values{"region": "US"}, "region must be one of"},
		"region of the portal":      {values{"region": "ae"}, "region must be one of"},
		"region with a space":       {values{"region": "us "}, "region must be one of"},
		"no app_id":                 {values{"app_id": ""}, "app_id is required"},
		"long app_id":               {values{"app_id": strings.Repeat("x", 1025)}, "app_id is longer than"},
		"app_id with a space":       {values{"app_id": "US:my app"}, "app_id contains a space"},
		"app_id beyond ASCII":       {values{"app_id": "ÜS:app"}, "app_id contains a space"},
		"no secret_key":             {values{"secret_key": ""}, "secret_key is required"},
		"long secret_key":           {values{"secret_key": strings.Repeat("x", 64<<10+1)}, "secret_key is longer than"},
		"secret_key with a newline": {values{"secret_key": "canary\n"}, "secret_key contains a newline"},
		"base_url with http":        {values{"base_url": "http://example.com"}, "base_url is plain http"},
		"base_url with userinfo":    {values{"base_url": "https://user:canary@example.com"}, "base_url has userinfo"},
		"base_url with a query":     {values{"base_url": address + "?canary"}, "base_url has a query"},
		"base_url with a fragment":  {values{"base_url": address + "#canary"}, "base_url has a fragment"},
		"long base_url":             {values{"base_url": address + strings.Repeat("x", 1024)}, "base_url is longer than"},
		"no date_format":            {values{"date_format": ""}, "date_format must be one of"},
		"date_format in capitals":   {values{"date_format": "Zulu"}, "date_format must be one of"},
		"min_ttl of minutes":        {values{"min_ttl": "31m"}, "min_ttl must be from 0s to 1800s"},
		"min_ttl too large":         {values{"min_ttl": 1801}, "min_ttl must be from 0s to 1800s"},
		"request_timeout too small": {values{"request_timeout": 0}, "request_timeout must be from 1s"},
		"request_timeout too large": {values{"request_timeout": 31}, "request_timeout must be from 1s"},
		"ca_cert of a word":         {values{"ca_cert": "canary"}, notPEM},
		"ca_cert of a line feed":    {values{"ca_cert": "\n"}, notPEM},
		"ca_cert with more":         {values{"ca_cert": testCertificate + "canary"}, notPEM},
		"ca_cert of a key":          {values{"ca_cert": key}, "ca_cert contains PEM that is not a"},
		"ca_cert that is broken":    {values{"ca_cert": broken}, "ca_cert contains a certificate that"},
		"long ca_cert":              {values{"ca_cert": strings.Repeat(testCertificate, 200)}, "ca_cert is longer than"},
		"PAVE's api_key":            {values{"api_key": "x"}, "unknown parameter \"api_key\""},
		"what a login detects":      {values{"detected_date_format": "zulu"}, "unknown parameter \"detected_da"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, change := m.in(t), with(values{"secret_key": "sandbox-avanan-secret"}, test.change)
			text := m.refused(logical.UpdateOperation, "config/avanan/us", change)
			require.Contains(t, text, test.want)
			require.NotContains(t, text, "canary")
			require.NotContains(t, text, "Y2FuYXJ5")
			m.refused(logical.CreateOperation, "config/avanan/new", with(m.avananValues(), test.change))
			require.Equal(t, before, m.stored())
			require.Equal(t, 1, m.vendor.Handshakes(), "only the first write reached the vendor")
		})
	}
	for name, test := range map[string]struct {
		config values
		want   string
	}{
		"without app_id":     {values{"region": "us", "secret_key": "y", "base_url": m.url}, "app_id is required"},
		"without secret_key": {values{"region": "us", "app_id": "x", "base_url": m.url}, "secret_key is required"},
		"without a region":   {values{"app_id": "x", "secret_key": "y"}, "region is required"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := m.in(t)
			require.Contains(t, m.refused(logical.CreateOperation, "config/avanan/prod", test.config), test.want)
			require.Equal(t, before, m.stored())
		})
	}
}

// Only certificates are stored, because ca_cert can be read back: no comments, and no key in a damaged PEM block.
func TestConfigAvananStoresOnlyCertificates(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{
		"a comment":       "a comment\n",
		"an indented key": " -----BEGIN PRIVATE KEY-----\n Y2FuYXJ5\n -----END PRIVATE KEY-----\n",
		"a key cut off":   "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, given := newMount(t), before+testCertificate+testCertificate
			m.write("config/avanan/us", with(m.avananValues(), values{"verify": false, "ca_cert": given}))
			require.Equal(t, testCertificate+testCertificate, m.read("config/avanan/us")["ca_cert"])
			require.NotContains(t, m.stored()["config/avanan/us"], "Y2FuYXJ5")
		})
	}
}

// Calls go to base_url or to the region's host. A config named like a region has that region by default.
func TestConfigAvananAddressIsBaseURLOrRegion(t *testing.T) {
	t.Parallel()
	const gateway = "https://gateway.example"
	for title, test := range map[string]struct {
		name       string
		config     values
		region     string
		configured string // base_url as read
		address    string
	}{
		"named us": {
			name:    "us",
			region:  "us",
			address: "https://smart-api-production-1-us.avanan.net",
		},
		"named uk": {
			name:    "uk",
			region:  "uk",
			address: "https://smart-api-production-1-euw2.avanan.net",
		},
		"named us, of another region": {
			name:    "us",
			config:  values{"region": "eu"},
			region:  "eu",
			address: "https://smart-api-production-1-eu.avanan.net",
		},
		"named us, of no region": {
			name:    "us",
			config:  values{"region": ""},
			region:  "us",
			address: "https://smart-api-production-1-us.avanan.net",
		},
		"named otherwise, of a region": {
			name:    "prod",
			config:  values{"region": "au"},
			region:  "au",
			address: "https://smart-api-production-5-ap.avanan.net",
		},
		"with base_url": {
			name:       "prod",
			config:     values{"base_url": gateway + "/a/"},
			configured: gateway + "/a",
			address:    gateway + "/a",
		},
		"named in, with base_url": {
			name:       "in",
			config:     values{"base_url": gateway},
			region:     "in",
			configured: gateway,
			address:    gateway,
		},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			m, path := newMount(t), "config/avanan/"+test.name
			m.write(path, with(values{"app_id": "x", "secret_key": "y", "verify": false}, test.config))
			require.Equal(t, test.region, m.read(path)["region"])
			require.Equal(t, test.configured, m.read(path)["base_url"])
			opened := m.load("avanan/" + test.name).account(t)
			require.Equal(t, test.address, opened.Creds.(avanan.Account).BaseURL)
		})
	}
}

// A write that changes what a handshake uses does a handshake. The config shows the detected format, and readers get
// the JWT.
func TestConfigAvananWriteDoesHandshake(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	token := func() any { return m.read("creds/avanan/us")["token"] }
	m.write("config/avanan/us", m.avananValues())
	require.Equal(t, "zoneless", m.read("config/avanan/us")["detected_date_format"])
	require.Equal(t, "auto", m.read("config/avanan/us")["date_format"])
	first := token()
	require.Equal(t, 1, m.vendor.Handshakes(), "readers get the JWT of the write's handshake")

	for _, same := range []values{{"min_ttl": 300}, {"request_timeout": 20}, {"date_format": "auto"}, m.avananValues()} {
		m.write("config/avanan/us", same)
		require.Equal(t, first, token(), "%v", same)
	}
	require.Equal(t, 1, m.vendor.Handshakes(), "none of these changes what a handshake uses")

	m.write("config/avanan/us", values{"verify": true})
	require.Equal(t, 2, m.vendor.Handshakes(), "verify=true always does a handshake")
	second := token()
	require.NotEqual(t, first, second, "the new JWT replaces the old one: it was just proven to work")
	m.vendor.Change(func(b *sandbox.Behaviour) { b.AvananDates = sandbox.Zulu })
	m.write("config/avanan/us", values{"verify": true})
	require.Equal(t, 4, m.vendor.Handshakes(), "zoneless, which worked before, then zulu")
	require.Equal(t, "zulu", m.read("config/avanan/us")["detected_date_format"])

	// The detected format belongs to the address, so a new secret keeps it: zulu is tried first.
	m.vendor.Change(func(b *sandbox.Behaviour) { b.AvananSecretKey, b.AvananDates = "rotated", sandbox.Both })
	m.write("config/avanan/us", values{"secret_key": "rotated"})
	require.Equal(t, 5, m.vendor.Handshakes())
	require.Equal(t, "zulu", m.read("config/avanan/us")["detected_date_format"])
	require.NotEqual(t, second, token())
	require.Equal(t, 5, m.vendor.Handshakes())

	m.write("config/avanan/us", values{"ca_cert": testCertificate, "secret_key": "rotated"})
	m.write("config/avanan/us", values{"date_format": "zulu"})
	require.Empty(t, m.read("config/avanan/us")["detected_date_format"], "nothing is detected with a fixed format")
	m.write("config/avanan/us", values{"ca_cert": ""})
	require.Equal(t, 8, m.vendor.Handshakes(), "each changes what a handshake uses")
}

// A new address or date_format removes the detected format, also in a write without a handshake. A new secret keeps it.
func TestNewAddressForgetsDetectedFormat(t *testing.T) {
	t.Parallel()
	const zoneless = "zoneless"
	for name, test := range map[string]struct {
		change values
		want   string
	}{
		"base_url":    {values{"base_url": "https://gateway.example", "secret_key": "x", "verify": false}, ""},
		"region":      {values{"region": "eu", "secret_key": "x", "verify": false}, ""},
		"date_format": {values{"date_format": "zoneless", "verify": false}, ""},
		"secret_key":  {values{"secret_key": "x", "verify": false}, zoneless},
		"app_id":      {values{"app_id": "US:other", "secret_key": "x", "verify": false}, zoneless},
		"min_ttl":     {values{"min_ttl": 1}, zoneless},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/avanan/us", m.avananValues())
			m.write("config/avanan/us", test.change)
			require.Equal(t, test.want, m.read("config/avanan/us")["detected_date_format"])
		})
	}
}

// The token of a verified write replaces the shared one.
func TestVerifiedWriteReplacesSharedToken(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", m.avananValues())
	old := m.read("creds/avanan/us")["token"]
	m.advance(58 * time.Minute)
	m.write("config/avanan/us", values{"verify": true})
	handshakes := m.vendor.Handshakes()
	require.NotEqual(t, old, m.read("creds/avanan/us")["token"])
	require.Equal(t, handshakes, m.vendor.Handshakes())
}

// If the handshake of a write fails, nothing is stored, and readers keep the current token.
func TestFailedVerificationStoresNothing(t *testing.T) {
	t.Parallel()
	const untried = "; verify=false stores it without trying it"
	for name, test := range map[string]struct {
		fault  sandbox.Fault
		status int
		text   string
	}{
		"refused": {
			fault:  sandbox.Refuse,
			status: http.StatusBadRequest,
			text:   "status 403: it rejects the credentials; check app_id, secret_key, region or base_url",
		},
		"limited": {
			fault:  sandbox.Limit,
			status: http.StatusTooManyRequests,
			text:   "status 429: too many requests" + untried,
		},
		"broken": {
			fault:  sandbox.Break,
			status: http.StatusBadGateway,
			text:   "status 500: server error, or it rejects this date_format" + untried,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/avanan/us", m.avananValues())
			token, before := m.read("creds/avanan/us")["token"], m.stored()
			m.fault(test.fault)
			change := with(m.avananValues(), values{"secret_key": "canary-wrong"})
			for _, path := range []string{"config/avanan/us", "config/avanan/new"} {
				_, status, text := m.handle(logical.UpdateOperation, path, change)
				require.Equal(t, test.status, status, text)
				require.Contains(t, text, path+" was not stored: ")
				require.Contains(t, text, test.text)
				require.NotContains(t, text, "canary")
			}
			require.Equal(t, before, m.stored())
			require.Equal(t, token, m.read("creds/avanan/us")["token"])
		})
	}
}

// With verify=false a wrong secret is stored, and readers get the error.
func TestUnverifiedWriteStoresAWrongSecret(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", m.avananValues())
	m.fault(sandbox.Refuse)
	m.write("config/avanan/us", values{"secret_key": "canary-wrong", "verify": false})
	require.Equal(t, "zoneless", m.read("config/avanan/us")["detected_date_format"],
		"the detected format belongs to the address")
	require.Contains(t, m.refused(logical.ReadOperation, "creds/avanan/us", nil), "config/avanan/us: ")
}

// A handshake fails after request_timeout.
func TestVerificationEndsAfterRequestTimeout(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.vendor.Change(func(b *sandbox.Behaviour) { b.Latency = time.Minute })
	before := time.Now()
	_, status, text := m.handle(logical.CreateOperation, "config/avanan/us", with(m.avananValues(), values{
		"request_timeout": 1,
	}))
	require.Equal(t, http.StatusBadGateway, status)
	require.Contains(t, text, "on loopback no cause is given; check the port, http or https, ca_cert and request_timeout")
	require.Less(t, time.Since(before), 10*time.Second)
	require.Empty(t, m.stored())
}
