# Functions of tests/CMakeLists.txt, bench/ and tests/packaging/.

set(tcpco_test_environment
  "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_init_order=1:check_initialization_order=1"
  "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
  "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1")

# tcpco_test(<name> COMMAND ... [LABELS ...] [TIMEOUT seconds] [REAL_TIME] [MAY_SKIP] [PROPERTIES name value...])
# REAL_TIME: it waits for clocks and for other processes; one such test at a time, so that each has a processor to itself.
# With MAY_SKIP an exit code of 77 means "skipped". Only for programs of which we know that they mean it: 77 is also what
# libFuzzer exits with after a crash.
function(tcpco_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "REAL_TIME;MAY_SKIP" "TIMEOUT" "COMMAND;LABELS;PROPERTIES")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(TCPCO_SANITIZE)
    math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 4")
  endif()
  set(full_name "${TCPCO_TEST_PREFIX}${name}")
  add_test(NAME "${full_name}" COMMAND ${arg_COMMAND})
  set_tests_properties("${full_name}" PROPERTIES
    TIMEOUT "${arg_TIMEOUT}" LABELS "${arg_LABELS}" ENVIRONMENT "${tcpco_test_environment}")
  if(arg_MAY_SKIP)
    set_tests_properties("${full_name}" PROPERTIES SKIP_RETURN_CODE 77)
  endif()
  if(arg_REAL_TIME)
    set_tests_properties("${full_name}" PROPERTIES RESOURCE_LOCK real_time)
  endif()
  if(arg_PROPERTIES)
    set_tests_properties("${full_name}" PROPERTIES ${arg_PROPERTIES})
  endif()
endfunction()

# A test that cannot be built here shows up as skipped, with the reason, instead of being absent.
function(tcpco_skipped_test name reason)
  message(STATUS "tcpco: the test '${name}' will be skipped: ${reason}")
  tcpco_test("${name}" LABELS skipped MAY_SKIP COMMAND sh -c "echo \"SKIPPED: $1\"; exit 77" sh "${reason}")
endfunction()

# tcpco_test_executable(<name> SOURCES ... LIBRARY <target> [LABELS ...] [REAL_TIME] [TIMEOUT seconds] [PRECOMPILED target])
function(tcpco_test_executable name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "REAL_TIME" "LIBRARY;TIMEOUT;PRECOMPILED" "SOURCES;LABELS")
  string(REPLACE "." "_" target "tcpco_test_${name}")
  add_executable("${target}" ${arg_SOURCES})
  target_link_libraries("${target}" PRIVATE tcpco_test_main tcpco_test_instances "${arg_LIBRARY}")
  if(NOT arg_PRECOMPILED)
    set(arg_PRECOMPILED tcpco_test_precompiled)
  endif()
  target_precompile_headers("${target}" REUSE_FROM "${arg_PRECOMPILED}")
  set_target_properties("${target}" PROPERTIES CXX_EXTENSIONS OFF)
  set(options LABELS unit ${arg_LABELS})
  if(arg_REAL_TIME)
    set(options LABELS ${arg_LABELS} REAL_TIME)
  endif()
  if(arg_TIMEOUT)
    list(APPEND options TIMEOUT "${arg_TIMEOUT}")
  endif()
  tcpco_test("${name}" MAY_SKIP COMMAND "${target}" ${tcpco_catch_arguments} ${options})
endfunction()
