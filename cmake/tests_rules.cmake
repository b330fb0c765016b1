# What is tested about the sources themselves: tests/rules/ and tests/compile_fail/.
find_package(Python3 COMPONENTS Interpreter QUIET)
if(NOT Python3_FOUND)
  tcpco_skipped_test(rules "they need python3 (Debian: apt-get install python3)")
  return()
endif()
set(rules_dir "${PROJECT_SOURCE_DIR}/tests/rules")

tcpco_test(rules.check LABELS rules COMMAND Python3::Interpreter "${rules_dir}/check_rules.py" "${PROJECT_SOURCE_DIR}")
tcpco_test(rules.self_test LABELS rules COMMAND Python3::Interpreter "${rules_dir}/check_rules.py" --self-test)
tcpco_test(rules.compliance LABELS rules COMMAND Python3::Interpreter "${rules_dir}/compliance.py" "${PROJECT_SOURCE_DIR}")
tcpco_test(rules.compliance.self_test LABELS rules COMMAND Python3::Interpreter "${rules_dir}/compliance.py" --self-test)
tcpco_test(rules.readme_program LABELS rules COMMAND Python3::Interpreter "${rules_dir}/readme_program.py"
  "${PROJECT_SOURCE_DIR}")

# The guide's code is an example; its output, where that is built.
set(guide_program "")
if(TARGET tcpco_congestion_controller)
  set(guide_program "$<TARGET_FILE:tcpco_congestion_controller>")
endif()
tcpco_test(rules.guide LABELS rules COMMAND Python3::Interpreter "${rules_dir}/guide.py" "${PROJECT_SOURCE_DIR}"
  ${guide_program})
tcpco_test(rules.guide.self_test LABELS rules COMMAND Python3::Interpreter "${rules_dir}/guide.py" --self-test)

# Every header alone, twice, and all together in both orders; the core without exceptions and RTTI. With clang-19 as well,
# where that is not the build's compiler, but there none alone: whether a header includes what it needs is the same in both.
set(compile_headers Python3::Interpreter "${rules_dir}/compile_headers.py" "${PROJECT_SOURCE_DIR}")
set(liburing_arguments --without-liburing)
if(TARGET tcpco::liburing)
  set(liburing_arguments "")
endif()
find_program(TCPCO_OTHER_CXX NAMES clang++-19)
set(rules_compilers "${CMAKE_CXX_COMPILER}")
if(TCPCO_OTHER_CXX AND NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  list(APPEND rules_compilers "${TCPCO_OTHER_CXX}")
endif()
set(headers_mode alone)
foreach(compiler IN LISTS rules_compilers)
  get_filename_component(name "${compiler}" NAME)
  tcpco_test("rules.headers.${name}" LABELS rules TIMEOUT 600 PROPERTIES PROCESSORS 2
    COMMAND ${compile_headers} --compiler "${compiler}" ${liburing_arguments} ${headers_mode})
  set(headers_mode together)
  tcpco_test("rules.no_exceptions.${name}" LABELS rules TIMEOUT 300
    COMMAND ${compile_headers} --compiler "${compiler}" no-exceptions)
endforeach()
tcpco_test(rules.headers.self_test LABELS rules
  COMMAND ${compile_headers} --compiler "${CMAKE_CXX_COMPILER}" self-test)

# Two translation units that include everything: a function that is not inline is defined twice and does not link.
file(GLOB_RECURSE headers RELATIVE "${PROJECT_SOURCE_DIR}/include" CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/tcpco/*.hpp")
if(NOT TARGET tcpco::liburing)
  list(FILTER headers EXCLUDE REGEX "^tcpco/(tcpco\\.hpp|reactor/uring.*)$")
endif()
list(FILTER headers EXCLUDE REGEX "^tcpco/interop/") # needs what they bridge to
if(TARGET tcpco::liburing)
  list(APPEND headers tcpco/interop/posix.hpp)
endif()
set(everything "// Generated: every header of the library.\n")
foreach(header IN LISTS headers)
  string(APPEND everything "#include \"${header}\"\n")
endforeach()
set(units "")
foreach(unit IN ITEMS first second)
  set(path "${CMAKE_CURRENT_BINARY_DIR}/two_units/${unit}.cpp")
  set(body "int tcpco_${unit}_unit() { return 0; }\n")
  if(unit STREQUAL "first")
    set(body "int tcpco_second_unit();\nint main() { return tcpco_second_unit(); }\n")
  endif()
  file(CONFIGURE OUTPUT "${path}" CONTENT "${everything}\n${body}" @ONLY)
  list(APPEND units "${path}")
endforeach()
add_executable(tcpco_test_two_units ${units})
target_link_libraries(tcpco_test_two_units PRIVATE tcpco::tcpco tcpco_development)
set_target_properties(tcpco_test_two_units PROPERTIES CXX_EXTENSIONS OFF)
tcpco_test(rules.two_units LABELS rules COMMAND tcpco_test_two_units)

# tests/compile_fail/<name>.cpp must not compile, and the compiler must say what the first line expects.
file(GLOB failures CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/compile_fail/*.cpp")
set(compile_fail Python3::Interpreter "${rules_dir}/compile_fail.py" --compiler "${CMAKE_CXX_COMPILER}"
  --include "${PROJECT_SOURCE_DIR}/include")
foreach(source IN LISTS failures)
  get_filename_component(name "${source}" NAME_WE)
  tcpco_test("compile_fail.${name}" LABELS compile_fail COMMAND ${compile_fail} "${source}")
endforeach()
tcpco_test(compile_fail.self_test LABELS rules COMMAND ${compile_fail} --self-test)
