// Package schemes_test holds the schemes of this folder against their own examples, against the commands beside those,
// and against README.md.
package schemes_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
	"github.com/apisig/vault-plugin-apisig/schemes"
)

// texts are those of all schemes by their names.
func texts() map[string]string {
	texts := map[string]string{}
	for _, name := range schemes.Names() {
		texts[name] = schemes.Text(name)
	}
	return texts
}

// The catalogue is the files of this folder.
func TestCatalogueHasEveryFile(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.yml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 90)
	require.Len(t, schemes.Names(), len(files))
	require.True(t, slices.IsSorted(schemes.Names()))
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		name := strings.TrimSuffix(file, ".yml")
		require.Regexp(t, `^[a-z0-9]+(-[a-z0-9]+)*$`, name)
		require.Contains(t, schemes.Names(), name)
		require.Equal(t, string(text), schemes.Text(name))
	}
	for _, none := range []string{"", "none", "binance.yml", "../schemes/binance", "schemes.go"} {
		require.Empty(t, schemes.Text(none), none)
	}
}

func parse(t *testing.T, text string) *scheme.Scheme {
	t.Helper()
	s, err := scheme.Parse(text)
	require.NoError(t, err)
	return s
}

func TestExamplesAreReproduced(t *testing.T) {
	t.Parallel()
	for api, text := range texts() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, parse(t, text).CheckExamples())
		})
	}
}

// Examples that hold whatever the secret is would prove nothing.
func TestExamplesDependOnEverySecret(t *testing.T) {
	t.Parallel()
	for api, text := range texts() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			for _, name := range parse(t, text).Secrets() {
				var document yaml.Node
				require.NoError(t, yaml.Unmarshal([]byte(text), &document))
				key := child(child(child(document.Content[0], "secrets"), name), "key")
				for _, example := range child(document.Content[0], "examples").Content {
					secret := child(child(example, "secrets"), name)
					first := "A" // the changed secret is still base64 where it must be
					if secret.Value[0] == 'A' {
						first = "B"
					}
					secret.SetString(first + secret.Value[1:])
					if key != nil {
						secret.SetString(anotherKey(t, key.Value))
					}
				}
				changed, err := yaml.Marshal(&document)
				require.NoError(t, err)
				require.ErrorContains(t, parse(t, string(changed)).CheckExamples(), "the scheme gives", name)
			}
		})
	}
}

// anotherKey is a private key of a kind, which is in no scheme.
func anotherKey(t *testing.T, kind string) string {
	t.Helper()
	text, err := os.ReadFile("../internal/scheme/testdata/keys/" + kind + ".pem")
	require.NoError(t, err)
	return string(text)
}

// child is the value of a key in a mapping; nil if there is none.
func child(node *yaml.Node, key string) *yaml.Node {
	for i := 0; i < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1]
		}
	}
	return nil
}

// example is what these tests need of a scheme's example.
type example struct {
	Name                  string
	Fields, Request, Want map[string]string
	BaseURL               string `yaml:"base_url"`
	Login                 struct {
		Want struct {
			Path, Query, Form, JSON, Body string
			Headers                       map[string]string
		}
	}
}

func examplesOf(t *testing.T, text string) []example {
	t.Helper()
	var document struct{ Examples []example }
	require.NoError(t, yaml.Unmarshal([]byte(text), &document))
	return document.Examples
}

// commandsOf are the commands in the comments of each example of a scheme, by the example's name, and the lines of
// other comments there.
func commandsOf(t *testing.T, text string) (commands, others map[string]string) {
	t.Helper()
	_, section, found := strings.Cut(text, "\nexamples:\n")
	require.True(t, found)
	commands, others = map[string]string{}, map[string]string{}
	name := ""
	for line := range strings.Lines(section) {
		if item, is := strings.CutPrefix(line, "  - name: "); is {
			require.NoError(t, yaml.Unmarshal([]byte(item), &name))
		} else if command, is := strings.CutPrefix(line, "    #   "); is {
			commands[name] += command
		} else if comment, is := strings.CutPrefix(line, "    # "); is {
			others[name] += comment
		}
	}
	return commands, others
}

// runAll runs commands, each in a shell, and returns what they print. Those that are a program of Python and nothing
// else run in one process, because Python takes long to start.
func runAll(t *testing.T, commands map[string]string) map[string]string {
	t.Helper()
	// The python3 that is first in PATH can be a launcher, such as pyenv's, which takes longer than Python itself.
	where, err := exec.CommandContext(t.Context(), "python3", "-c", "import sys; print(sys.executable)").Output()
	require.NoError(t, err)
	path := "PATH=" + filepath.Dir(string(where)) + string(filepath.ListSeparator) + os.Getenv("PATH")
	printed, programs := map[string]string{}, map[string]string{}
	for key, command := range commands {
		program, is := strings.CutPrefix(strings.TrimSpace(command), "python3 -c '")
		if program, ends := strings.CutSuffix(program, "'"); is && ends && !strings.Contains(program, "'") {
			programs[key] = program
			continue
		}
		bash := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", command)
		bash.Env = append(os.Environ(), path)
		output, err := bash.Output()
		require.NoError(t, err, command)
		printed[key] = string(output)
	}
	input, err := json.Marshal(programs)
	require.NoError(t, err)
	const runner = `
import contextlib, io, json, sys
def run(program):
    with contextlib.redirect_stdout(io.StringIO()) as printed: exec(program, {})
    return printed.getvalue()
json.dump({key: run(program) for key, program in json.load(sys.stdin).items()}, sys.stdout)`
	python := exec.CommandContext(t.Context(), "python3", "-c", runner)
	python.Stdin = bytes.NewReader(input)
	output, err := python.Output()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(output, &printed))
	return printed
}

// Beside each example stands the command that computes its values with another tool, from the API's documentation, or
// the page that published them. Each word that the command prints is in a value that the example wants.
func TestExamplesAreComputedIndependently(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "openssl", "python3"} {
		if _, err := exec.LookPath(tool); err != nil {
			// make test must pass with only Go there. Where the tools are, as in CI, every command runs.
			t.Skip("the commands use " + tool + ", which is not on this machine")
		}
	}
	all, pages := map[string]string{}, map[string]string{} // by scheme and example
	for name, text := range texts() {
		commands, others := commandsOf(t, text)
		for example, command := range commands {
			all[name+": "+example] = command
		}
		for example, comment := range others {
			pages[name+": "+example] = comment
		}
	}
	printed := runAll(t, all)
	for name, text := range texts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, example := range examplesOf(t, text) {
				key := name + ": " + example.Name
				if all[key] == "" {
					require.NotContains(t, key, "made with", "its command is missing")
					require.Contains(t, pages[key], "https://", key)
					continue
				}
				require.GreaterOrEqual(t, len(printed[key]), 20, all[key])
				for _, word := range strings.Fields(printed[key]) {
					require.True(t, word == "*stdin" || wants(example, word), "%s: %q is in no wanted value", key, word)
				}
			}
		})
	}
}

// wants reports whether a text is in a value that an example wants, of what it gives or of what its login sends.
func wants(e example, text string) bool {
	login := e.Login.Want
	values := slices.Collect(maps.Values(e.Want))
	values = slices.AppendSeq(values, maps.Values(login.Headers))
	values = append(values, login.Path, login.Query, login.Form, login.JSON, login.Body)
	return slices.ContainsFunc(values, func(value string) bool { return strings.Contains(value, text) })
}

// The comment at the top is the documentation of a scheme: its page, commands that name each secret and field, and its
// limits.
func TestCommentsSayWhatToWrite(t *testing.T) {
	t.Parallel()
	for name, text := range texts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			comment, _, _ := strings.Cut(text, "\nsecrets:")
			require.Contains(t, comment, "# Not covered:")
			about := schemes.AboutOf(text)
			require.NotEmpty(t, about.Title)
			require.LessOrEqual(t, len(about.Title), 200)
			require.Regexp(t, `^https://[!-~]+$`, about.Documentation)
			require.Regexp(t, `vault write apisig/config/custom/[a-z]+ scheme=`+name+" ", about.Write)
			s := parse(t, text)
			if len(s.Request()) == 0 {
				require.Regexp(t, "^vault read -field=header_lines apisig/creds/custom/", about.Use)
			} else {
				require.Regexp(t, "vault write .*apisig/sign/custom/", about.Use)
			}
			given := s.Secrets()
			if !strings.Contains(text, "\nbase_url: ") {
				given = append(given, "base_url")
			}
			for _, field := range s.Fields() {
				if _, optional := s.Default(field); !optional {
					given = append(given, field)
				}
			}
			for _, parameter := range given {
				require.Regexp(t, `\s`+parameter+"=", about.Write)
			}
			var declared struct {
				Secrets map[string]struct{ Key string }
			}
			require.NoError(t, yaml.Unmarshal([]byte(text), &declared))
			for secret, how := range declared.Secrets {
				if how.Key != "" {
					require.Contains(t, about.Write, " "+secret+"=@", "a private key is given as a file")
				}
			}
		})
	}
}

var update = flag.Bool("update", false, "write the list of README.md instead of comparing it")

// The list in README.md is made of the catalogue, with the beginning of each title, which tells schemes apart. To write
// it again:
//
//	go test ./schemes -run TestReadmeListsTheCatalogue -update
func TestReadmeListsTheCatalogue(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	table := regexp.MustCompile(`(?s)<!-- table: schemes -->\n.*?<!-- end of table -->`)
	require.Len(t, table.FindAll(readme, -1), 1)
	rows := "<!-- table: schemes -->\n"
	detail := regexp.MustCompile(`(: |\. |, | \().*`)
	titles := map[string]string{}
	for _, name := range schemes.Names() {
		title := detail.ReplaceAllLiteralString(schemes.AboutOf(schemes.Text(name)).Title, "")
		require.NotContains(t, titles, title, "%s has the title of %s", name, titles[title])
		titles[title] = name
		rows += fmt.Sprintf("- [`%s`](%[1]s.yml): %s\n", name, title)
	}
	want := table.ReplaceAllLiteralString(string(readme), rows+"<!-- end of table -->")
	if *update {
		require.NoError(t, os.WriteFile("README.md", []byte(want), 0o600))
		return
	}
	require.Equal(t, want, string(readme), "README.md does not match the catalogue; run this test with -update")
}

// request are the fields of a request by name.
type request map[string]string

// sign signs a request with made-up secrets and keys, and returns the error.
func sign(t *testing.T, s *scheme.Scheme, fields map[string]string, baseURL string, call request) error {
	t.Helper()
	secrets := map[string]secret.Text{}
	for _, name := range s.Secrets() {
		secrets[name] = "YW5vdGhlciBzZWNyZXQ=" // base64, which is also text
		for _, kind := range []string{"rsa", "p256", "p384", "ed25519"} {
			if s.CheckSecret(name, secrets[name]) != nil {
				secrets[name] = secret.Text(anotherKey(t, kind))
			}
		}
	}
	signer, err := s.Signer(scheme.Values{Secrets: secrets, Fields: fields, BaseURL: baseURL})
	require.NoError(t, err)
	_, err = signer.Sign(scheme.Moment{Now: time.Unix(1767323045, 0), UUID: "uuid", Nonce: "nonce"}, call)
	return err
}

// The vendor signs these calls in a way that the scheme cannot, so it would refuse the signature. Base URL and fields
// are those of the scheme's first example, except for those that a row has.
func TestSchemesRefuseWhatTheyWouldSignWrongly(t *testing.T) {
	t.Parallel()
	all := texts()
	const (
		encoded = "the path cannot contain %"
		empty   = "the query cannot have empty pieces"
		pattern = "request_string does not match the pattern"
		mixed   = "a path that has % must have %3A and %2A in place of : and *"
	)
	for name, test := range map[string]struct {
		scheme  string
		request request
		refusal string
		baseURL string
		field   [2]string
	}{
		"S3 without TLS does not protect the body": {
			scheme: "aws-s3-unsigned-payload", refusal: "base_url must be https:// and a host in lower case",
			request: request{"method": "PUT", "request_string": "/a"},
			baseURL: "http://127.0.0.1:9000",
		},
		"Gate may sign the decoded path": {
			scheme: "gate", refusal: encoded, request: request{"method": "GET", "request_string": "/api/v4/spot/a%20b"},
		},
		"Gate signs empty pieces": {
			scheme: "gate", refusal: empty, request: request{"method": "GET", "request_string": "/api/v4/spot?a=1&&b=2"},
		},
		"KuCoin may sign the decoded path": {
			scheme: "kucoin", refusal: encoded, request: request{"method": "GET", "request_string": "/api/v1/orders/a%20b"},
		},
		"KuCoin signs an empty piece at the end": {
			scheme: "kucoin", refusal: empty, request: request{"method": "GET", "request_string": "/api/v1/orders?a=1&"},
		},
		"Duo has no SHA-1 for JSON": {
			scheme: "duo", refusal: "a json_body needs digest=sha512", field: [2]string{"digest", "sha1"},
			request: request{"method": "POST", "request_string": "/admin/v1/users", "json_body": "{}"},
		},
		"Duo signs a form or JSON": {
			scheme: "duo", refusal: "not both",
			request: request{"method": "POST", "request_string": "/admin/v1/users", "json_body": "{}", "body": "a=b"},
		},
		"Duo signs no query beside a form": {
			scheme: "duo", refusal: "have a query only with a json_body",
			request: request{"method": "POST", "request_string": "/admin/v1/users?a=b", "body": "a=b"},
		},
		"Duo signs no body of a GET": {
			scheme: "duo", refusal: "GET and DELETE have no body",
			request: request{"method": "GET", "request_string": "/admin/v1/users", "json_body": "{}"},
		},
		"S3 decodes an encoded slash": {
			scheme: "aws-s3", refusal: pattern, request: request{"method": "GET", "request_string": "/a%2Fb"},
		},
		"S3 decodes an encoded tilde": {
			scheme: "aws-s3", refusal: pattern, request: request{"method": "GET", "request_string": "/a%7Eb"},
		},
		"S3 decodes an encoded letter": {
			scheme: "aws-s3", refusal: pattern, request: request{"method": "GET", "request_string": "/%41"},
		},
		"S3 writes hex in upper case": {
			scheme: "aws-s3", refusal: pattern, request: request{"method": "GET", "request_string": "/%c3%bc"},
		},
		"Huawei Cloud decodes an encoded slash": {
			scheme: "huawei-cloud", refusal: pattern, request: request{"method": "GET", "request_string": "/v1/a%2Fb"},
		},
		"Huawei Cloud decodes an encoded letter": {
			scheme: "huawei-cloud", refusal: pattern, request: request{"method": "GET", "request_string": "/v1/%41"},
		},
		"Huawei Cloud encodes a colon beside an escape": {
			scheme: "huawei-cloud", refusal: mixed, request: request{"method": "GET", "request_string": "/v1/a:b%20c"},
		},
		"Alibaba Cloud encodes no tilde": {
			scheme: "alibaba-cloud-acs3", refusal: pattern,
			request: request{"method": "GET", "action": "Describe", "request_string": "/a%7Eb"},
		},
		"Alibaba Cloud encodes an asterisk beside an escape": {
			scheme: "alibaba-cloud-acs3", refusal: mixed,
			request: request{"method": "GET", "action": "Describe", "request_string": "/a*%20b"},
		},
		"Hawk escapes a quote in ext": {
			scheme: "hawk", refusal: "ext does not match the pattern",
			request: request{"method": "GET", "request_string": "/", "ext": `a"b`},
		},
		"Azure wants the type of a blob": {
			scheme: "azure-storage", refusal: "needs blob_type or copy_source",
			request: request{"method": "PUT", "request_string": "/box/a?timeout=5"},
		},
		"Azure wants the length of a file": {
			scheme: "azure-storage", refusal: "needs file_content_length or copy_source",
			baseURL: "https://exampleaccount.file.core.windows.net",
			request: request{"method": "PUT", "request_string": "/share/a?timeout=5"},
		},
		"Azure wants the length of a page blob": {
			scheme: "azure-storage", refusal: "a PageBlob needs blob_content_length",
			request: request{"method": "PUT", "request_string": "/box/a?timeout=5", "blob_type": "PageBlob"},
		},
		"Azure wants the id of a block": {
			scheme: "azure-storage", refusal: "needs blockid",
			request: request{"method": "PUT", "request_string": "/box/a?comp=block", "content_length": "5"},
		},
		"Azure wants the length of a block": {
			scheme: "azure-storage", refusal: "need content_length",
			request: request{"method": "PUT", "request_string": "/box/a?comp=block&blockid=MDAx"},
		},
		"Azure wants a tier": {
			scheme: "azure-storage", refusal: "needs access_tier",
			request: request{"method": "PUT", "request_string": "/box/a?comp=tier"},
		},
		"Azure wants what to do with a range": {
			scheme: "azure-storage", refusal: "need write and byte_range",
			request: request{"method": "PUT", "request_string": "/box/a?comp=page", "byte_range": "bytes=0-511"},
		},
		"Azure deletes metadata that are not sent": {
			scheme: "azure-storage", refusal: "needs headers that this scheme does not sign",
			request: request{"method": "PUT", "request_string": "/box/a?comp=metadata"},
		},
		"Azure may decode a plus": {
			scheme: "azure-storage", refusal: pattern, request: request{"method": "GET", "request_string": "/box?prefix=a+b"},
		},
		"Azure signs names in lower case": {
			scheme: "azure-storage", refusal: pattern, request: request{"method": "GET", "request_string": "/box?Comp=list"},
		},
		"Azure signs the query as lines": {
			scheme: "azure-storage", refusal: pattern,
			request: request{"method": "GET", "request_string": "/box?comp=list&prefix=a%0Arestype:container"},
		},
		"Azure's tables have another signature": {
			scheme: "azure-storage", refusal: "the Table service signs other strings",
			baseURL: "https://exampleaccount.table.core.windows.net",
			request: request{"method": "GET", "request_string": "/Tables?comp=list"},
		},
		"Darktrace may sign the decoded query": {
			scheme: "darktrace", refusal: "request_string cannot contain % or +",
			request: request{"request_string": "/modelbreaches?name=a%20b"},
		},
		"Darktrace may sign a decoded space": {
			scheme: "darktrace", refusal: "request_string cannot contain % or +",
			request: request{"request_string": "/modelbreaches?name=a+b"},
		},
		"Darktrace may sign the decoded form": {
			scheme: "darktrace", refusal: "a form cannot contain % or +",
			request: request{"request_string": "/aianalyst/acknowledge", "body": "uuid=a%2Fb"},
		},
		"Darktrace signs a query or a body": {
			scheme: "darktrace", refusal: "not both",
			request: request{"request_string": "/aianalyst/acknowledge?a=b", "body": "uuid=a"},
		},
		"Worldline may sign the decoded query": {
			scheme: "worldline", refusal: pattern, request: request{"method": "GET", "request_string": "/v2/a/products?q=a%20b"},
		},
		"Worldline may sign a decoded space": {
			scheme: "worldline", refusal: pattern, request: request{"method": "GET", "request_string": "/v2/a/products?q=a+b"},
		},
		"WooCommerce sorts brackets in another way": {
			scheme: "woocommerce", refusal: pattern,
			request: request{"method": "GET", "request_string": "/wp-json/wc/v3/orders?include%5B%5D=1"},
		},
		"PHP writes _ for a dot in WooCommerce's parameters": {
			scheme: "woocommerce", refusal: pattern,
			request: request{"method": "GET", "request_string": "/wp-json/wc/v3/orders?a.b=1"},
		},
		"PHP numbers WooCommerce's parameters anew": {
			scheme: "woocommerce", refusal: pattern,
			request: request{"method": "GET", "request_string": "/wp-json/wc/v3/orders?7=1"},
		},
		"Cosmos DB takes no link with an empty id": {
			scheme: "azure-cosmos-db", refusal: pattern, request: request{"method": "GET", "request_string": "/dbs/shop/"},
		},
		"Cosmos DB signs the decoded id": {
			scheme: "azure-cosmos-db", refusal: pattern, request: request{"method": "GET", "request_string": "/dbs/a%20b"},
		},
		"Cosmos DB's attachments have a longer link": {
			scheme: "azure-cosmos-db", refusal: pattern,
			request: request{"method": "GET", "request_string": "/dbs/a/colls/b/docs/c/attachments"},
		},
		"Cosmos DB signs an offer by its id alone": {
			scheme: "azure-cosmos-db", refusal: pattern, request: request{"method": "GET", "request_string": "/offers/abcd"},
		},
		"CyberSource signs no body of a GET": {
			scheme: "cybersource", refusal: "GET and DELETE have no body",
			request: request{"method": "GET", "request_string": "/pts/v2/payments", "body": "{}"},
		},
		"Volcengine encodes the path": {
			scheme: "volcengine", refusal: pattern, request: request{"method": "GET", "request_string": "/a%20b?Action=A"},
		},
		"Baidu decodes an encoded slash": {
			scheme: "baidu-cloud", refusal: pattern, request: request{"method": "GET", "request_string": "/box/a%2Fb"},
		},
		"Baidu encodes a colon": {
			scheme: "baidu-cloud", refusal: pattern, request: request{"method": "GET", "request_string": "/box/a:b"},
		},
		"Baidu writes hex in upper case": {
			scheme: "baidu-cloud", refusal: pattern, request: request{"method": "GET", "request_string": "/box/%c3%bc"},
		},
		"Log Analytics wants a length": {
			scheme: "azure-log-analytics", refusal: "give body or content_length",
			request: request{"request_string": "/api/logs?api-version=2016-04-01"},
		},
		"Log Analytics signs one length": {
			scheme: "azure-log-analytics", refusal: "not both",
			request: request{"request_string": "/api/logs?api-version=2016-04-01", "body": "[]", "content_length": "3"},
		},
		"Log Analytics signs the length of a body that is not empty": {
			scheme: "azure-log-analytics", refusal: "body does not match the pattern",
			request: request{"request_string": "/api/logs?api-version=2016-04-01", "body": ""},
		},
		"Oracle signs no body of a GET": {
			scheme: "oracle-cloud", refusal: "GET, HEAD and DELETE have no body",
			request: request{"method": "GET", "request_string": "/20160918/instances", "body": "{}"},
		},
		"Oracle signs a hash and a length": {
			scheme: "oracle-cloud", refusal: "give body_sha256 and content_length together",
			request: request{"method": "PUT", "request_string": "/n/a/b/c/o/d", "content_length": "5"},
		},
		"Oracle signs one body": {
			scheme: "oracle-cloud", refusal: "not both",
			request: request{"method": "PUT", "request_string": "/n/a/b/c/o/d", "body": "a", "content_length": "5"},
		},
		"OAuth 1.0a signs no JSON": {
			scheme: "oauth1-hmac-sha1", refusal: "body does not match the pattern",
			request: request{"method": "POST", "request_string": "/2/tweets", "body": `{"text":"hello"}`},
		},
		"OAuth 1.0a signs no JSON without a token": {
			scheme: "oauth1-two-legged", refusal: "body does not match the pattern",
			request: request{"method": "POST", "request_string": "/v1/items", "body": `{"a":1}`},
		},
		"Mastercard's clients differ about a colon": {
			scheme: "mastercard", refusal: pattern, request: request{"method": "GET", "request_string": "/a?b=c:d"},
		},
		"Mastercard's clients differ about lower-case hex": {
			scheme: "mastercard", refusal: pattern, request: request{"method": "GET", "request_string": "/a?b=%c3%bc"},
		},
		"Mastercard's clients differ about an encoded letter": {
			scheme: "mastercard", refusal: pattern, request: request{"method": "GET", "request_string": "/a?b=%41"},
		},
		"Mastercard sorts an encoded parameter after its own": {
			scheme: "mastercard", refusal: pattern, request: request{"method": "GET", "request_string": "/a?zip=a%20b"},
		},
		"Cloudinary signs an encoded ampersand in two ways": {
			scheme: "cloudinary", refusal: "parameters does not match the pattern",
			request: request{"parameters": "folder=a%26tags=b"},
		},
		"Cloudinary leaves empty parameters out": {
			scheme: "cloudinary", refusal: "parameters does not match the pattern",
			request: request{"parameters": "folder=&public_id=b"},
		},
		"Cloudinary does not sign the file": {
			scheme: "cloudinary", refusal: "parameters must not have file",
			request: request{"parameters": "public_id=b&file=https://a.example/b.jpg"},
		},
		"Cloudinary signs one time": {
			scheme: "cloudinary", refusal: "parameters must not have file",
			request: request{"parameters": "timestamp=1767323045&public_id=b"},
		},
		"HTX signs the host without its port": {
			scheme: "htx", refusal: "without a path or a port", baseURL: "https://api.huobi.pro:8443",
			request: request{"method": "GET", "request_string": "/v1/account/accounts"},
		},
		"Kalshi signs the whole path": {
			scheme: "kalshi", refusal: pattern, request: request{"method": "GET", "request_string": "/portfolio/balance"},
		},
		"Revolut X signs the whole path": {
			scheme: "revolut-x", refusal: pattern, request: request{"method": "GET", "request_string": "/1.0/balances"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := examplesOf(t, all[test.scheme])[0]
			if test.field[0] != "" {
				first.Fields[test.field[0]] = test.field[1]
			}
			baseURL := cmp.Or(test.baseURL, first.BaseURL, "https://api.example.com")
			require.ErrorContains(t, sign(t, parse(t, all[test.scheme]), first.Fields, baseURL, test.request), test.refusal)
		})
	}
}

// Azure signed the length of an empty body as 0 before version 2015-02-21.
func TestAzureStorageRefusesVersionsWithAnotherSignature(t *testing.T) {
	t.Parallel()
	s := parse(t, texts()["azure-storage"])
	for version, refused := range map[string]bool{
		"2014-02-14": true,
		"2015-02-20": true,
		"2015-02-21": false,
		"2015-04-05": false,
		"2021-12-02": false,
		"2026-04-06": false,
	} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, refused, s.CheckField("version", version) != nil)
		})
	}
}

// Some APIs sign the host and the path. Neither would be that of a call to a base_url with a path, and clients write a
// host in lower case and without a default port.
func TestSchemesRefuseABaseURLThatIsNotSigned(t *testing.T) {
	t.Parallel()
	for name, text := range texts() {
		if !strings.Contains(text, "\n  host: host_of(base_url)\n") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := examplesOf(t, text)[0]
			s := parse(t, text)
			require.NoError(t, sign(t, s, first.Fields, first.BaseURL, first.Request))
			for _, baseURL := range []string{
				first.BaseURL + "/v1", first.BaseURL + ":443", strings.ToUpper(first.BaseURL),
			} {
				err := sign(t, s, first.Fields, baseURL, first.Request)
				require.ErrorContains(t, err, "base_url must be https:// and a host in lower case, without a path or a ", baseURL)
			}
		})
	}
	hawk := parse(t, texts()["hawk"]) // signs the port apart from the host, so both are fields
	first := examplesOf(t, texts()["hawk"])[0]
	err := sign(t, hawk, first.Fields, "https://another.example.com", first.Request)
	require.ErrorContains(t, err, "base_url must be https:// and host")
}
