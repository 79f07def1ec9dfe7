package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// The command line stores a private key from a PEM file, or from the field of a JSON file as jq prints it, and openssl
// accepts what the engine signs with it.
func TestOpensslAcceptsSignaturesOfAStoredKey(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	m := harness.NewMount(t)
	folder := t.TempDir()
	run := func(line string) string {
		command := harness.Command("sh", "-ec", line)
		command.Dir, command.Env = folder, m.Server.Environ()
		printed, err := command.CombinedOutput()
		require.NoError(t, err, "%s", printed)
		return string(printed)
	}
	write := func(name, content string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600))
	}
	run("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem 2>/dev/null\n" +
		"openssl pkey -in key.pem -pubout -out public.pem\n" +
		"openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out example.pem 2>/dev/null\n" +
		"printf m1767323045 | openssl dgst -sha256 -sign example.pem | base64 | tr -d '\\n' >want")
	read := func(name string) string {
		content, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		return string(content)
	}
	write("scheme.yml", fmt.Sprintf(`secrets: {private_key: {key: rsa}}
request: {message: {pattern: '[a-z]+'}}
let: {signed: message + now.unix()}
headers: {X-Signed: signed, X-Signature: 'base64(rsa_sha256(private_key, signed))'}
ttl: 60s
examples: [{secrets: {private_key: %q}, request: {message: m}, now: 2026-01-02T03:04:05Z, want: {X-Signature: %s}}]
`, read("example.pem"), read("want")))
	service, err := json.MarshalIndent(map[string]string{ // as Google's files are
		"type": "service_account", "private_key_id": "1", "private_key": read("key.pem"), "client_email": "a@example.com",
	}, "", "  ")
	require.NoError(t, err)
	write("service.json", string(service))
	vault := m.Server.Binary
	for name, test := range map[string]struct{ before, value, tool string }{
		"a-file":             {"", "private_key=@key.pem", "sh"},
		"a-field-printed":    {`sed -n 's/.*"private_key": "\([^"]*\)".*/\1/p' service.json | `, "private_key=-", "sed"},
		"a-field-through-jq": {"jq -r .private_key service.json | ", "private_key=-", "jq"},
	} {
		t.Run(name, func(t *testing.T) { //nolint:paralleltest // they write files of the same names
			if _, err := exec.LookPath(test.tool); err != nil {
				t.Skip(test.tool + " is not installed")
			}
			path := m.Path + "/config/custom/" + name
			run(test.before + vault + " write " + path + " scheme=@scheme.yml base_url=https://api.example " + test.value)
			require.NotContains(t, run(vault+" read "+path), strings.Split(read("key.pem"), "\n")[3])
			headers := m.Read("sign/custom/"+name, "message", "hello").Data["headers"].(values)
			signature, err := base64.StdEncoding.DecodeString(headers["X-Signature"].(string))
			require.NoError(t, err)
			write("signature", string(signature))
			write("message", headers["X-Signed"].(string))
			require.Contains(t, run("openssl dgst -sha256 -verify public.pem -signature signature message"), "Verified OK")
		})
	}
	command := harness.Command("sh", "-ec", vault+" write "+m.Path+"/config/custom/wrong scheme=@scheme.yml "+
		"base_url=https://api.example private_key=@public.pem")
	command.Dir, command.Env = folder, m.Server.Environ()
	printed, err := command.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(printed), "private_key is a public key; the scheme wants an RSA key")
}
