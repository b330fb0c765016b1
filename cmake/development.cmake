# What tcpco's own tests, benchmarks and examples are compiled with; none of it reaches a user of the library.
option(TCPCO_WERROR "Warnings are errors in tcpco's own programs" OFF)
set(TCPCO_SANITIZE "" CACHE STRING "Sanitizers for tcpco's own programs: address,undefined or thread")

set(tcpco_warnings -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast)

add_library(tcpco_development INTERFACE)
target_compile_options(tcpco_development INTERFACE ${tcpco_warnings} $<$<BOOL:${TCPCO_WERROR}>:-Werror>)
# What has a short way goes the long way as well where assertions are on, and is compared (core/assert.hpp).
target_compile_definitions(tcpco_development INTERFACE TCPCO_BOTH_WAYS=1)
if(TCPCO_SANITIZE)
  set(tcpco_sanitizer_options "-fsanitize=${TCPCO_SANITIZE}" -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_compile_options(tcpco_development INTERFACE ${tcpco_sanitizer_options})
  target_link_options(tcpco_development INTERFACE ${tcpco_sanitizer_options})
endif()
