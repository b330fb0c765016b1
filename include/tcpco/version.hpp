// The library's version, for the preprocessor. CMake and pkg-config read it from here: this is the one place to change.
//
// Before 1.0 a change of the minor number may break source compatibility, a change of the patch number does not.
#pragma once

#define TCPCO_VERSION_MAJOR 0
#define TCPCO_VERSION_MINOR 1
#define TCPCO_VERSION_PATCH 0

// Comparable: 0.1.0 is 100, 1.2.3 is 10203.
#define TCPCO_VERSION (TCPCO_VERSION_MAJOR * 10000 + TCPCO_VERSION_MINOR * 100 + TCPCO_VERSION_PATCH)
