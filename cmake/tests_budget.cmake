# What the stack costs in instructions (tests/budget/): optimised and without assertions, whatever the rest is.
find_program(TCPCO_VALGRIND NAMES valgrind)
find_package(Python3 COMPONENTS Interpreter QUIET)
if(TCPCO_SANITIZE)
  tcpco_skipped_test(budget "sanitizers add instructions of their own")
elseif(NOT TCPCO_VALGRIND OR NOT Python3_FOUND)
  tcpco_skipped_test(budget "it needs valgrind and python3 (Debian: apt-get install valgrind python3)")
else()
  add_executable(tcpco_test_stack_cost "${PROJECT_SOURCE_DIR}/tests/budget/stack_cost_test.cpp"
    "${PROJECT_SOURCE_DIR}/bench/pair_of_stacks.cpp")
  target_include_directories(tcpco_test_stack_cost PRIVATE "${PROJECT_SOURCE_DIR}/bench")
  target_link_libraries(tcpco_test_stack_cost PRIVATE tcpco::core tcpco_development)
  target_compile_options(tcpco_test_stack_cost PRIVATE -O2 -U_GLIBCXX_ASSERTIONS)
  target_compile_definitions(tcpco_test_stack_cost PRIVATE TCPCO_CHECKED=0)
  set_target_properties(tcpco_test_stack_cost PROPERTIES CXX_EXTENSIONS OFF)
  tcpco_test(budget LABELS budget MAY_SKIP COMMAND Python3::Interpreter
    "${PROJECT_SOURCE_DIR}/tests/budget/instructions.py" $<TARGET_FILE:tcpco_test_stack_cost> ${CMAKE_CXX_COMPILER_ID})
endif()
