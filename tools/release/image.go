package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	// user is who an image's program runs as, and the group: nobody in particular.
	user = "65532:65532"
	// rootsPath is where Go looks for the certificates that it trusts. An image from scratch has none, and without them no
	// vendor could be called.
	rootsPath = "etc/ssl/certs/ca-certificates.crt"
)

// writeImage writes the images of a program for all its Linux binaries: one index, as an OCI layout in a tar. It
// returns the digests that users of the image need, and the sums of the binaries in it, one a line.
func writeImage(directory string, program program, version string) (string, error) {
	var digests strings.Builder
	file := imageFile(program.name, version)
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, on := range platforms {
		if on.os != "linux" {
			continue
		}
		binary, err := os.ReadFile(filepath.Join(directory, binaryFile(program.name, version, on)))
		if err != nil {
			return "", err
		}
		image, err := newImage(binary, program, version, on)
		if err != nil {
			return "", err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: on.os, Architecture: on.arch}},
		})
		lines, err := imageSums(file, program.name, image, on)
		if err != nil {
			return "", err
		}
		digests.WriteString(lines)
	}
	digest, err := index.Digest()
	if err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(directory, "image")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	path, err := layout.Write(work, empty.Index)
	if err != nil {
		return "", err
	}
	// The names under which skopeo, and Docker and containerd, load it. Vault looks in Docker for a version without its v.
	err = path.AppendIndex(index, layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": version,
		"io.containerd.image.name":          program.name + ":" + strings.TrimPrefix(version, "v"),
	}))
	if err != nil {
		return "", err
	}
	return digests.String() + sumLine(digest, file, "index"), archive(work, filepath.Join(directory, file))
}

// newImage is an image from scratch with one layer: the binary, and the certificates that Mozilla trusts.
func newImage(binary []byte, program program, version string, on platform) (v1.Image, error) {
	layer, err := newLayer(binary, program.name)
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, mutate.Addendum{
		Layer:   layer,
		History: v1.History{Comment: program.name + " " + version},
	})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config.OS, config.Architecture = on.os, on.arch
	config.Config = v1.Config{
		Entrypoint: []string{"/" + program.name},
		User:       user,
		Labels: map[string]string{
			"org.opencontainers.image.title":       program.name,
			"org.opencontainers.image.description": program.description,
			"org.opencontainers.image.version":     version,
			"org.opencontainers.image.licenses":    "MPL-2.0",
		},
	}
	return mutate.ConfigFile(image, config)
}

func newLayer(binary []byte, name string) (v1.Layer, error) {
	var content bytes.Buffer
	writer := tar.NewWriter(&content)
	for _, entry := range []struct {
		header tar.Header
		data   []byte
	}{
		{tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeReg}, binary},
		{tar.Header{Name: "etc/", Mode: 0o755, Typeflag: tar.TypeDir}, nil},
		{tar.Header{Name: "etc/ssl/", Mode: 0o755, Typeflag: tar.TypeDir}, nil},
		{tar.Header{Name: "etc/ssl/certs/", Mode: 0o755, Typeflag: tar.TypeDir}, nil},
		{tar.Header{Name: rootsPath, Mode: 0o644, Typeflag: tar.TypeReg}, roots()},
	} {
		entry.header.Size, entry.header.ModTime = int64(len(entry.data)), time.Unix(0, 0)
		if err := writer.WriteHeader(&entry.header); err != nil {
			return nil, err
		}
		if _, err := writer.Write(entry.data); err != nil {
			return nil, err
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}

// roots are the certificates in PEM. Those that Mozilla trusts with limits are left out, since PEM cannot say the
// limits.
func roots() []byte {
	var all bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			all.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		}
	}
	return all.Bytes()
}

// imageSums are the digests of an image and the sum of the binary in it, as lines.
func imageSums(file, program string, image v1.Image, on platform) (string, error) {
	binary, err := fileOf(image, program)
	if err != nil {
		return "", err
	}
	sum, _, err := v1.SHA256(bytes.NewReader(binary))
	if err != nil {
		return "", err
	}
	manifest, err := image.Digest()
	if err != nil {
		return "", err
	}
	config, err := image.ConfigName()
	if err != nil {
		return "", err
	}
	return sumLine(sum, file, on.String()+"/"+program) + sumLine(manifest, file, on.String()+" manifest") +
		sumLine(config, file, on.String()+" config"), nil
}

func sumLine(sum v1.Hash, file, what string) string {
	return fmt.Sprintf("%s  %s: %s\n", sum.Hex, file, what)
}

// fileOf reads a file of an image.
func fileOf(image v1.Image, name string) ([]byte, error) {
	content := mutate.Extract(image)
	defer content.Close()
	for reader := tar.NewReader(content); ; {
		header, err := reader.Next()
		if err != nil {
			return nil, fmt.Errorf("reading /%s of the image: %w", name, err)
		}
		if header.Name == name {
			return io.ReadAll(reader)
		}
	}
}

// archive writes a folder as a tar whose bytes depend on nothing but names and contents.
func archive(directory, file string) error {
	output, err := os.Create(file)
	if err != nil {
		return err
	}
	writer := tar.NewWriter(output)
	// WalkDir goes by name.
	err = filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == directory {
			return err
		}
		name, err := filepath.Rel(directory, path)
		if err != nil {
			return err
		}
		header := &tar.Header{Name: filepath.ToSlash(name), ModTime: time.Unix(0, 0), Typeflag: tar.TypeReg, Mode: 0o644}
		if entry.IsDir() {
			header.Name, header.Typeflag, header.Mode = header.Name+"/", tar.TypeDir, 0o755
			return writer.WriteHeader(header)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		header.Size = int64(len(content))
		if err := writer.WriteHeader(header); err != nil {
			return err
		}
		_, err = writer.Write(content)
		return err
	})
	return errors.Join(err, writer.Close(), output.Close())
}
