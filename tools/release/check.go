package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/opencontainers/image-spec/schema"
)

// check requires that a folder is a whole release: its sums, what each binary is, what the lists of modules name, and
// what the images contain. It says everything that is wrong.
func check(dist, version string) error {
	sums, wrong := checkSums(dist)
	if sums == nil {
		return wrong
	}
	expected := map[string]bool{imageSumsFile: true, notesFile: true}
	for _, program := range programs {
		for _, on := range platforms {
			binary, list := binaryFile(program.name, version, on), sbomFile(program.name, version, on)
			expected[binary], expected[list] = true, true
			wrong = errors.Join(wrong, checkBinary(filepath.Join(dist, binary), program.name, on),
				checkSBOM(filepath.Join(dist, binary), sums[binary], filepath.Join(dist, list), version))
		}
		expected[imageFile(program.name, version)] = true
	}
	for name := range sums {
		if !expected[name] {
			wrong = errors.Join(wrong, fmt.Errorf("%s is no file of release %s", name, version))
		}
	}
	for name := range expected {
		if sums[name] == "" {
			wrong = errors.Join(wrong, fmt.Errorf("the release has no %s", name))
		}
	}
	if wrong != nil {
		return wrong
	}
	if err := checkImages(dist, version, sums); err != nil {
		return err
	}
	fmt.Printf("%s: the sums, lists of modules and images of %d files are right\n", dist, len(sums))
	return nil
}

// checkBinary requires that a binary is of a program and platform, and built as releases are.
func checkBinary(file, program string, on platform) error {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if !strings.HasSuffix(info.Path, "/cmd/"+program) {
		return fmt.Errorf("%s is the program %s", file, info.Path)
	}
	// An experiment of the compiler's would be named after the version.
	if strings.Contains(info.GoVersion, " ") {
		return fmt.Errorf("%s was built by %s", file, info.GoVersion)
	}
	for key, value := range map[string]string{"GOOS": on.os, "GOARCH": on.arch, "CGO_ENABLED": "0", "-trimpath": "true"} {
		if !slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == key && s.Value == value }) {
			return fmt.Errorf("%s was not built with %s=%s", file, key, value)
		}
	}
	return nil
}

// checkImages requires that the images are valid OCI layouts with the very binaries of the release, and that the
// digests which the release publishes are theirs.
func checkImages(dist, version string, sums map[string]string) error {
	published, err := os.ReadFile(filepath.Join(dist, imageSumsFile))
	if err != nil {
		return err
	}
	var digests strings.Builder
	for _, program := range programs {
		found, err := checkImage(filepath.Join(dist, imageFile(program.name, version)), program, version, sums)
		if err != nil {
			return fmt.Errorf("%s: %w", imageFile(program.name, version), err)
		}
		digests.WriteString(found)
	}
	if digests.String() != string(published) {
		return fmt.Errorf("%s is not what the images have, which is\n%s", imageSumsFile, digests.String())
	}
	return nil
}

// checkImage checks one layout and returns the lines that should be published for it.
func checkImage(file string, program program, version string, sums map[string]string) (string, error) {
	work, err := os.MkdirTemp("", "release-check")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	if err := extract(file, work); err != nil {
		return "", err
	}
	if err := checkBlobs(work); err != nil {
		return "", err
	}
	path, err := layout.FromPath(work)
	if err != nil {
		return "", err
	}
	top, err := path.ImageIndex()
	if err != nil {
		return "", err
	}
	// Compares manifests with what they name: digests, sizes and media types.
	if err := validate.Index(top); err != nil {
		return "", err
	}
	manifest, err := top.IndexManifest()
	if err != nil {
		return "", err
	}
	if len(manifest.Manifests) != 1 {
		return "", fmt.Errorf("it has %d images, not one for all platforms", len(manifest.Manifests))
	}
	index, err := top.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		return "", err
	}
	images, err := index.IndexManifest()
	if err != nil {
		return "", err
	}
	var digests strings.Builder
	for _, on := range platforms {
		if on.os != "linux" {
			continue
		}
		at := slices.IndexFunc(images.Manifests, func(d v1.Descriptor) bool { return d.Platform.String() == on.String() })
		if at < 0 {
			return "", fmt.Errorf("it has no image for %s", on)
		}
		image, err := index.Image(images.Manifests[at].Digest)
		if err != nil {
			return "", err
		}
		if err := checkContent(image, program, on, sums[binaryFile(program.name, version, on)]); err != nil {
			return "", fmt.Errorf("%s: %w", on, err)
		}
		lines, err := imageSums(filepath.Base(file), program.name, image, on)
		if err != nil {
			return "", err
		}
		digests.WriteString(lines)
	}
	return digests.String() + sumLine(manifest.Manifests[0].Digest, filepath.Base(file), "index"), nil
}

// checkContent requires that an image starts the release's own binary, by its sum, as a user that is not root.
func checkContent(image v1.Image, program program, on platform, sum string) error {
	config, err := image.ConfigFile()
	if err != nil {
		return err
	}
	start := config.Config
	if config.OS != on.os || config.Architecture != on.arch || start.User != user ||
		!slices.Equal(start.Entrypoint, []string{"/" + program.name}) || len(start.Cmd) > 0 {
		return fmt.Errorf("it is for %s/%s and runs %q as %q",
			config.OS, config.Architecture, start.Entrypoint, start.User)
	}
	if !config.Created.IsZero() {
		return fmt.Errorf("it has a time: %s", config.Created)
	}
	binary, err := fileOf(image, program.name)
	if err != nil {
		return err
	}
	if got, _, err := v1.SHA256(bytes.NewReader(binary)); err != nil || got.Hex != sum {
		return errors.Join(err,
			fmt.Errorf("/%s has the sum %s, not %s, that of the release's file", program.name, got.Hex, sum))
	}
	roots, err := fileOf(image, rootsPath)
	if err != nil {
		return err
	}
	if !x509.NewCertPool().AppendCertsFromPEM(roots) {
		return fmt.Errorf("/%s has no certificate", rootsPath)
	}
	return nil
}

// checkBlobs requires that each blob of an image layout has the digest that is its name, and compares the layout's JSON
// files with the schemas that the OCI publishes.
func checkBlobs(directory string) error {
	for name, validator := range map[string]schema.Validator{
		"oci-layout": schema.ValidatorMediaTypeLayoutHeader, "index.json": schema.ValidatorMediaTypeImageIndex,
	} {
		content, err := os.ReadFile(filepath.Join(directory, name))
		if err != nil {
			return err
		}
		if err := validator.Validate(bytes.NewReader(content)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	blobs, err := filepath.Glob(filepath.Join(directory, "blobs", "sha256", "*"))
	if err != nil {
		return err
	}
	for _, blob := range blobs {
		content, err := os.ReadFile(blob)
		if err != nil {
			return err
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(content)); got != filepath.Base(blob) {
			return fmt.Errorf("the blob %s has the sum %s", filepath.Base(blob), got)
		}
		var document struct {
			MediaType    string
			Architecture string
		}
		// Layers are no JSON. A config has no media type of its own.
		if json.Unmarshal(content, &document) != nil {
			continue
		}
		validator := schema.Validator(document.MediaType)
		if document.Architecture != "" {
			validator = schema.ValidatorMediaTypeImageConfig
		}
		if err := validator.Validate(bytes.NewReader(content)); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(blob), err)
		}
	}
	return nil
}

// extract unpacks a tar of plain files and folders.
func extract(file, directory string) error {
	input, err := os.Open(file)
	if err != nil {
		return err
	}
	defer input.Close()
	// A root keeps names such as ../x inside.
	root, err := os.OpenRoot(directory)
	if err != nil {
		return err
	}
	defer root.Close()
	for reader := tar.NewReader(input); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag == tar.TypeDir {
			if err := root.MkdirAll(header.Name, 0o755); err != nil {
				return err
			}
			continue
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			return err
		}
		if err := root.WriteFile(header.Name, content, 0o644); err != nil {
			return err
		}
	}
}
