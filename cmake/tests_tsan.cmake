# Tests with threads once more under ThreadSanitizer, in every ordinary build: post(), the one call that other threads may make,
# rings from thread to thread, the BSD-socket façade, whose calls come from any thread, and stacks on several threads.
set(post_test "${PROJECT_SOURCE_DIR}/tests/async/post_test.cpp")
if(NOT EXISTS "${post_test}" OR TCPCO_SANITIZE)
  return()
endif()

# Older runtimes refuse an address space randomised as widely as newer kernels do it; without randomisation they run.
if(NOT DEFINED TCPCO_TSAN_LAUNCHER)
  set(probe "${CMAKE_CURRENT_BINARY_DIR}/tsan_probe")
  file(WRITE "${probe}.cpp" "#include <thread>\nint main() { std::thread{[] {}}.join(); }\n")
  set(launcher "none")
  execute_process(COMMAND "${CMAKE_CXX_COMPILER}" -std=c++20 -fsanitize=thread -pthread "${probe}.cpp" -o "${probe}"
    RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
  if(NOT failed)
    foreach(candidate IN ITEMS "env" "setarch;-R")
      execute_process(COMMAND ${candidate} "${probe}" RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
      if(NOT failed)
        set(launcher "${candidate}")
        break()
      endif()
    endforeach()
  endif()
  set(TCPCO_TSAN_LAUNCHER "${launcher}" CACHE INTERNAL "What a program built with -fsanitize=thread is started with")
endif()

if(TCPCO_TSAN_LAUNCHER STREQUAL "none")
  tcpco_skipped_test(tsan.post "programs built by ${CMAKE_CXX_COMPILER} with -fsanitize=thread do not run here")
  return()
endif()

# The runner is not instrumented: what it shares between threads is its own.
add_executable(tcpco_test_tsan_post "${post_test}" "${PROJECT_SOURCE_DIR}/tests/async/flow_steering_test.cpp")
target_link_libraries(tcpco_test_tsan_post PRIVATE tcpco_test_main tcpco::tcpco tcpco_test_options)
target_compile_options(tcpco_test_tsan_post PRIVATE -fsanitize=thread -O1 -g)
target_link_options(tcpco_test_tsan_post PRIVATE -fsanitize=thread)
set_target_properties(tcpco_test_tsan_post PROPERTIES CXX_EXTENSIONS OFF)
tcpco_test(tsan.post LABELS tsan async TIMEOUT 300 MAY_SKIP
  COMMAND ${TCPCO_TSAN_LAUNCHER} "$<TARGET_FILE:tcpco_test_tsan_post>" ${tcpco_catch_arguments})

if(TARGET tcpco::liburing)
  # Both in one, for the sake of the stack, which is compiled once more.
  add_executable(tcpco_test_tsan_posix "${PROJECT_SOURCE_DIR}/tests/interop/posix_threads_test.cpp"
    "${PROJECT_SOURCE_DIR}/tests/device/sharded_test.cpp" support/stack_instance.cpp)
  target_link_libraries(tcpco_test_tsan_posix PRIVATE tcpco_test_main tcpco::tcpco tcpco_test_options)
  target_compile_options(tcpco_test_tsan_posix PRIVATE -fsanitize=thread -O1 -g)
  target_link_options(tcpco_test_tsan_posix PRIVATE -fsanitize=thread)
  set_target_properties(tcpco_test_tsan_posix PROPERTIES CXX_EXTENSIONS OFF)
  tcpco_test(tsan.posix LABELS tsan interop device TIMEOUT 300 MAY_SKIP
    COMMAND ${TCPCO_TSAN_LAUNCHER} "$<TARGET_FILE:tcpco_test_tsan_posix>" ${tcpco_catch_arguments})
endif()
