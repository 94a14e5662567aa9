// Package file keeps everything in one folder that people can read, back up and put under version
// control.
package file
