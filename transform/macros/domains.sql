{#- The domain of an address, also of `Ada <ada@x.com>`, or of the first of several addresses.

Null if there is no address. Names and local parts in quotes, comments, and names before an address
in brackets are removed first, so that nothing of them is taken for a domain. -#}
{%- macro email_domain(address) -%}
  {%- set noise = {'"([^"\\\\]|\\\\.)*"': 'quoted', '\\([^()]*\\)': '', '[^,;<>]*<': ','} -%}
  {%- set rest = namespace(sql=address) -%}
  {%- for pattern, kept in noise.items() -%}
    {%- set rest.sql = customerio.regex_replace(rest.sql, pattern, kept) -%}
  {%- endfor -%}
  {%- set local = '[^@,;:<>()"[:space:][:cntrl:]]+' -%}
  {%- set label = customerio.regex_letters() -%}
  {%- set group = '(' if target.type == 'snowflake' else '(?:' -%}
  {%- set domain = '(' ~ label ~ '+' ~ group ~ '[.]' ~ label ~ '+)+)' -%}
  nullif(lower({{ customerio.regex_first(
      "',' || " ~ rest.sql ~ " || ','",
      '[,;:[:space:]]' ~ local ~ '@' ~ domain ~ '[.]?[,;>[:space:]]',
  ) }}), '')
{%- endmacro %}

{#- Letters, digits, hyphens and underscores. -#}
{%- macro regex_letters() -%}
  {{ return('[\\p{L}\\p{M}\\p{N}_-]' if target.type in ('duckdb', 'bigquery') else '[[:alnum:]_-]') }}
{%- endmacro %}

{#- A regular expression as a literal. -#}
{%- macro regex_literal(pattern) -%}
  {{ return(adapter.dispatch('regex_literal', 'customerio')(pattern)) }}
{%- endmacro %}
{%- macro default__regex_literal(pattern) -%}'{{ pattern }}'{%- endmacro %}
{%- macro snowflake__regex_literal(pattern) -%}$${{ pattern }}$${%- endmacro %}
{%- macro bigquery__regex_literal(pattern) -%}r'{{ pattern }}'{%- endmacro %}

{#- A text with every match replaced. -#}
{%- macro regex_replace(expression, pattern, replacement) -%}
  {{ return(adapter.dispatch('regex_replace', 'customerio')(
      expression, customerio.regex_literal(pattern), dbt.string_literal(replacement)
  )) }}
{%- endmacro %}
{%- macro default__regex_replace(expression, pattern, replacement) -%}
  regexp_replace({{ expression }}, {{ pattern }}, {{ replacement }}, 'g')
{%- endmacro %}
{%- macro snowflake__regex_replace(expression, pattern, replacement) -%}
  regexp_replace({{ expression }}, {{ pattern }}, {{ replacement }})
{%- endmacro %}
{%- macro bigquery__regex_replace(expression, pattern, replacement) -%}
  regexp_replace({{ expression }}, {{ pattern }}, {{ replacement }})
{%- endmacro %}

{#- The first group of the first match; null or empty if there is none. -#}
{%- macro regex_first(expression, pattern) -%}
  {{ return(adapter.dispatch('regex_first', 'customerio')(
      expression, customerio.regex_literal(pattern)
  )) }}
{%- endmacro %}
{%- macro default__regex_first(expression, pattern) -%}
  regexp_extract({{ expression }}, {{ pattern }}, 1)
{%- endmacro %}
{%- macro postgres__regex_first(expression, pattern) -%}
  (regexp_match({{ expression }}, {{ pattern }}))[1]
{%- endmacro %}
{%- macro snowflake__regex_first(expression, pattern) -%}
  regexp_substr({{ expression }}, {{ pattern }}, 1, 1, 'e', 1)
{%- endmacro %}
{%- macro bigquery__regex_first(expression, pattern) -%}
  regexp_extract({{ expression }}, {{ pattern }})
{%- endmacro %}
