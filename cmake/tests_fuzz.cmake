# tests/fuzz/<name>_fuzz.cpp, each a libFuzzer target built with clang whatever compiler builds the rest, and run for a moment.
# Seeds, if there are any: tests/fuzz/corpus/<name>/. A crash, a leak, a sanitizer's report or 25 s on one input fails; the
# input is kept in <build>/tests/fuzz/.
file(GLOB fuzzers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/fuzz/*_fuzz.cpp")
if(NOT fuzzers)
  return()
endif()

set(fuzz_dir "${CMAKE_CURRENT_BINARY_DIR}/fuzz")
find_program(TCPCO_FUZZ_CXX NAMES clang++-19 clang++-21 clang++-20 DOC "A clang++ with libFuzzer")
set(fuzz_missing "")
if(NOT TCPCO_FUZZ_CXX)
  set(fuzz_missing "the fuzzers need clang++-19 (Debian: apt-get install clang-19 libclang-rt-19-dev)")
elseif(NOT DEFINED TCPCO_FUZZ_WORKS)
  file(WRITE "${fuzz_dir}/probe.cpp"
    "#include <cstddef>\n#include <cstdint>\n"
    "extern \"C\" int LLVMFuzzerTestOneInput(const std::uint8_t*, std::size_t) { return 0; }\n")
  execute_process(COMMAND "${TCPCO_FUZZ_CXX}" -std=c++20 -fsanitize=fuzzer,address,undefined probe.cpp -o probe
    WORKING_DIRECTORY "${fuzz_dir}" RESULT_VARIABLE failed OUTPUT_QUIET ERROR_VARIABLE reason)
  if(failed)
    message(STATUS "${reason}")
  else()
    set(TCPCO_FUZZ_WORKS TRUE CACHE INTERNAL "TCPCO_FUZZ_CXX links libFuzzer")
  endif()
endif()
if(NOT fuzz_missing AND NOT TCPCO_FUZZ_WORKS)
  set(fuzz_missing "${TCPCO_FUZZ_CXX} does not link libFuzzer (Debian: apt-get install libclang-rt-19-dev)")
endif()

set(fuzz_programs "")
foreach(source IN LISTS fuzzers)
  get_filename_component(name "${source}" NAME)
  string(REGEX REPLACE "_fuzz\\.cpp$" "" name "${name}")
  if(fuzz_missing)
    tcpco_skipped_test("fuzz.${name}" "${fuzz_missing}")
    continue()
  endif()
  set(program "${fuzz_dir}/${name}_fuzz")
  add_custom_command(OUTPUT "${program}"
    COMMAND "${TCPCO_FUZZ_CXX}" -std=c++20 -O1 -g1 -DTCPCO_BOTH_WAYS=1 ${tcpco_warnings} $<$<BOOL:${TCPCO_WERROR}>:-Werror>
      -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
      -I "${PROJECT_SOURCE_DIR}/include" -I "${PROJECT_SOURCE_DIR}/tests"
      -MD -MF "${program}.d" -MT "${program}" "${source}" -o "${program}"
    DEPENDS "${source}" DEPFILE "${program}.d" COMMAND_EXPAND_LISTS VERBATIM
    COMMENT "Building the fuzzer ${name}")
  list(APPEND fuzz_programs "${program}")
  set(found_dir "${fuzz_dir}/${name}.corpus")
  file(MAKE_DIRECTORY "${found_dir}")
  set(corpora "${found_dir}")
  if(IS_DIRECTORY "${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name}")
    list(APPEND corpora "${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name}")
  endif()
  math(EXPR fuzz_timeout "${TCPCO_FUZZ_SECONDS} + 120")
  tcpco_test("fuzz.${name}" LABELS fuzz TIMEOUT "${fuzz_timeout}"
    COMMAND "${program}" "-max_total_time=${TCPCO_FUZZ_SECONDS}" "-seed=${TCPCO_FUZZ_SEED}" -timeout=25 -rss_limit_mb=2048
      -error_exitcode=1 -print_final_stats=1 "-artifact_prefix=${fuzz_dir}/${name}." ${corpora})
endforeach()
if(fuzz_programs)
  add_custom_target(tcpco_fuzzers ALL DEPENDS ${fuzz_programs})
endif()
