# How a test is declared. A test that needs something beyond these helpers says so itself.
pkg_check_modules(CMOCKA IMPORTED_TARGET cmocka)

# imapfs_unit_test(name LIBS layer ...): tests/unit/test_<name>.c, linked with the layers it
# exercises; the ctest name is unit.<name>.
function(imapfs_unit_test name)
	cmake_parse_arguments(arg "" "" "LIBS;SOURCES" ${ARGN})
	if(NOT CMOCKA_FOUND)
		message(FATAL_ERROR "unit tests need cmocka (scripts/install-deps), or -DIMAPFS_TESTS=OFF")
	endif()
	add_executable(test_${name} test_${name}.c ${arg_SOURCES})
	target_link_libraries(test_${name} PRIVATE ${arg_LIBS} imapfs_flags PkgConfig::CMOCKA)
	target_include_directories(test_${name} PRIVATE
		${PROJECT_SOURCE_DIR}/tests/support ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
	target_compile_definitions(test_${name} PRIVATE
		IMAPFS_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data")
	add_test(NAME unit.${name} COMMAND test_${name})
	set_tests_properties(unit.${name} PROPERTIES LABELS unit TIMEOUT 400
		ENVIRONMENT "${IMAPFS_SANITIZER_ENV}")
endfunction()

# imapfs_fuzz_target(name LIBS layer ...): tests/fuzz/fuzz_<name>.c defines
# LLVMFuzzerTestOneInput. With IMAPFS_FUZZ it is a libFuzzer program; without, the same source
# replays tests/fuzz/corpus/<name>/ as an ordinary test, so a crash once found stays fixed.
function(imapfs_fuzz_target name)
	cmake_parse_arguments(arg "" "" "LIBS;SOURCES" ${ARGN})
	set(corpus ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
	if(NOT IS_DIRECTORY ${corpus})
		message(FATAL_ERROR "fuzz target ${name} has no corpus: ${corpus}")
	endif()
	add_executable(fuzz_${name} fuzz_${name}.c ${arg_SOURCES})
	target_link_libraries(fuzz_${name} PRIVATE ${arg_LIBS} imapfs_flags)
	target_include_directories(fuzz_${name} PRIVATE
		${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
	# The entry point is called by a runtime that declares it itself.
	target_compile_options(fuzz_${name} PRIVATE -Wno-missing-prototypes)
	if(IMAPFS_FUZZ)
		target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
		add_test(NAME fuzz.${name} COMMAND fuzz_${name} -runs=0 ${corpus})
	else()
		target_sources(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.c)
		add_test(NAME fuzz.${name} COMMAND fuzz_${name} ${corpus})
	endif()
	set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT 300
		ENVIRONMENT "${IMAPFS_SANITIZER_ENV}")
endfunction()

# A sanitizer's finding must fail the test, whatever the caller's environment says.
set(IMAPFS_SANITIZER_ENV
	"ASAN_OPTIONS=abort_on_error=1:detect_leaks=1:strict_string_checks=1"
	"UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1"
	"TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1")
