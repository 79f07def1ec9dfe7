package prometheus

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

const directory = "examples/observability"

// alert is a rule of alerts.yml.
type alert struct {
	Alert       string
	Expr        string
	For         string
	Labels      struct{ Severity string }
	Annotations struct{ Summary, Description, Runbook string }
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var rules struct {
		Groups []struct {
			Name  string
			Rules []alert
		}
	}
	decode(t, "alerts.yml", &rules)
	require.Len(t, rules.Groups, 1)
	require.NotEmpty(t, rules.Groups[0].Rules)
	return rules.Groups[0].Rules
}

// ruleTest is a case of alerts_test.yml.
type ruleTest struct {
	Name        string
	InputSeries []struct{ Series, Values string } `yaml:"input_series"`
	Tests       []struct {
		EvalTime  string `yaml:"eval_time"`
		Alert     string `yaml:"alertname"`
		ExpAlerts []struct {
			Labels      map[string]string `yaml:"exp_labels"`
			Annotations map[string]string `yaml:"exp_annotations"`
		} `yaml:"exp_alerts"`
	} `yaml:"alert_rule_test"`
}

func ruleTests(t *testing.T) []ruleTest {
	t.Helper()
	var file struct {
		RuleFiles          []string `yaml:"rule_files"`
		EvaluationInterval string   `yaml:"evaluation_interval"`
		Tests              []ruleTest
	}
	decode(t, "alerts_test.yml", &file)
	require.Equal(t, []string{"alerts.yml"}, file.RuleFiles)
	return file.Tests
}

// decode reads a YAML file of the example. A field that the test does not know is an error.
func decode(t *testing.T, name string, into any) {
	t.Helper()
	content, err := os.ReadFile(harness.Path(filepath.Join(directory, name)))
	require.NoError(t, err)
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(into), name)
}

// dashboard is what the tests look at in dashboard.json.
type dashboard struct {
	SchemaVersion int
	Templating    struct {
		List []struct {
			Name, Type string
			Datasource datasource
			Definition string
		}
	}
	Panels []struct {
		ID                 int
		Title, Description string
		Datasource         datasource
		Targets            []struct {
			Expr       string
			Datasource datasource
		}
	}
}

type datasource struct{ Type, UID string }

// chosen is the data source that the user of the dashboard chooses.
var chosen = datasource{"prometheus", "${datasource}"}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	content, err := os.ReadFile(harness.Path(filepath.Join(directory, "dashboard.json")))
	require.NoError(t, err)
	var d dashboard
	require.NoError(t, json.Unmarshal(content, &d))
	return d
}

// queries are those of the dashboard's panels and variables, by what they are for.
func (d dashboard) queries(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			all["panel "+panel.Title] = append(all["panel "+panel.Title], target.Expr)
		}
	}
	for _, variable := range d.Templating.List {
		if variable.Type != "query" {
			continue
		}
		found := regexp.MustCompile(`^label_values\((.*), \w+\)$`).FindStringSubmatch(variable.Definition)
		require.NotNil(t, found, variable.Definition)
		all["variable "+variable.Name] = []string{found[1]}
	}
	return all
}

var (
	selector = regexp.MustCompile(`\b(apisig_\w+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
)

// requireKnown requires that every metric of an expression exists and has the labels, with the values, that are
// selected.
func requireKnown(t *testing.T, where, expr string) {
	t.Helper()
	for _, found := range selector.FindAllStringSubmatch(expr, -1) {
		labels, known := labelsOf(found[1])
		require.True(t, known, "%s: the engine exposes no %s", where, found[1])
		for _, match := range matcher.FindAllStringSubmatch(found[2], -1) {
			if match[1] == "instance" || match[1] == "job" {
				continue
			}
			require.Contains(t, labels, match[1], "%s: %s has no such label", where, found[1])
			for value := range strings.SplitSeq(match[2], "|") {
				if !strings.Contains(value, "$") {
					require.True(t, allows(labels, match[1], value), "%s: %s is never %s of %s", where, value, match[1], found[1])
				}
			}
		}
	}
}

func TestAlertsNameExistingMetrics(t *testing.T) {
	t.Parallel()
	for _, alert := range alerts(t) {
		t.Run(alert.Alert, func(t *testing.T) {
			t.Parallel()
			if alert.Alert != "ApisigNotScraped" { // by a metric of Prometheus' own
				require.Regexp(t, selector, alert.Expr)
			}
			requireKnown(t, alert.Alert, alert.Expr)
		})
	}
}

// The series that rules are tested with have exactly the labels that the engine gives them.
func TestRuleTestsNameExistingSeries(t *testing.T) {
	t.Parallel()
	for _, test := range ruleTests(t) {
		for _, input := range test.InputSeries {
			if strings.HasPrefix(input.Series, "up{") {
				continue
			}
			t.Run(test.Name+" "+input.Series, func(t *testing.T) {
				t.Parallel()
				found := selector.FindStringSubmatch(input.Series)
				require.NotNil(t, found)
				labels, known := labelsOf(found[1])
				require.True(t, known)
				has := map[string]bool{}
				for _, match := range matcher.FindAllStringSubmatch(found[2], -1) {
					has[match[1]] = true
					if match[1] != "instance" && match[1] != "job" {
						require.True(t, allows(labels, match[1], match[2]), match[0])
					}
				}
				require.Len(t, has, len(labels)+len([]string{"instance", "job"}))
			})
		}
	}
}

// Each alert has a section in docs/operations.md, which its runbook annotation names, and texts.
func TestAlertsHaveRunbooks(t *testing.T) {
	t.Parallel()
	operations, err := os.ReadFile(harness.Path("docs/operations.md"))
	require.NoError(t, err)
	named := map[string]bool{}
	for _, alert := range alerts(t) {
		require.False(t, named[alert.Alert], "two alerts are called %s", alert.Alert)
		named[alert.Alert] = true
		t.Run(alert.Alert, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, string(operations), "\n### "+alert.Alert+"\n\n")
			require.Equal(t, "docs/operations.md#"+strings.ToLower(alert.Alert), alert.Annotations.Runbook)
			require.NotEmpty(t, alert.Annotations.Summary)
			require.NotEmpty(t, alert.Annotations.Description)
			require.Contains(t, []string{"warning", "critical"}, alert.Labels.Severity)
		})
	}
	for _, section := range regexp.MustCompile(`(?m)^### (Apisig\w+)$`).FindAllStringSubmatch(string(operations), -1) {
		require.True(t, named[section[1]], "docs/operations.md explains %s, which does not exist", section[1])
	}
}

func TestAlertsHaveFiringAndSilentCases(t *testing.T) {
	t.Parallel()
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range ruleTests(t) {
		require.NotEmpty(t, test.InputSeries, test.Name)
		for _, check := range test.Tests {
			if len(check.ExpAlerts) > 0 {
				fires[check.Alert] = true
			} else {
				silent[check.Alert] = true
			}
		}
	}
	existing := map[string]bool{}
	for _, alert := range alerts(t) {
		existing[alert.Alert] = true
	}
	require.Equal(t, existing, fires)
	require.Equal(t, existing, silent)
}

func TestDashboardNamesExistingMetrics(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	used := map[string]bool{}
	for where, queries := range d.queries(t) {
		for _, query := range queries {
			require.Regexp(t, selector, query, where)
			requireKnown(t, where, query)
			for _, found := range selector.FindAllStringSubmatch(query, -1) {
				used[strings.TrimSuffix(found[1], "_bucket")] = true
			}
		}
	}
	for name := range metrics {
		require.True(t, used[name], "the dashboard does not show %s", name)
	}
	ids := map[int]bool{}
	for _, panel := range d.Panels {
		require.NotEmpty(t, panel.Title)
		require.NotEmpty(t, panel.Description, panel.Title)
		require.NotEmpty(t, panel.Targets, panel.Title)
		require.Equal(t, chosen, panel.Datasource, panel.Title)
		require.False(t, ids[panel.ID], "two panels have the id %d", panel.ID)
		ids[panel.ID] = true
		for _, target := range panel.Targets {
			require.Equal(t, chosen, target.Datasource, panel.Title)
		}
	}
	require.Equal(t, "datasource", d.Templating.List[0].Name)
	require.Equal(t, "datasource", d.Templating.List[0].Type)
	for _, variable := range d.Templating.List[1:] {
		require.Equal(t, chosen, variable.Datasource, variable.Name)
	}
}

// The documents explain every metric, and no other.
func TestDocumentsExplainMetrics(t *testing.T) {
	t.Parallel()
	existing := map[string]bool{}
	for name := range metrics {
		existing[name] = true
	}
	for _, name := range []string{"docs/operations.md", "docs/reference.md"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			document, err := os.ReadFile(harness.Path(name))
			require.NoError(t, err)
			explained := map[string]bool{}
			for _, metric := range regexp.MustCompile(`apisig_[a-z_]+`).FindAllString(string(document), -1) {
				explained[metric] = true
			}
			require.Equal(t, existing, explained)
		})
	}
}
